"""Durations expected from the runs that ended before, and from nothing else.

Work on shared clusters comes in bursts of runs that resemble each other: whoever tries variants of
one program submits them within minutes. Tsafrir, Etsion and Feitelson ("Backfilling using
system-generated predictions rather than user runtime estimates", IEEE TPDS 18(6), 2007, section 3)
found the mean of a user's last two runs a better prediction than any model of longer memory. Here a
run is compared with, from near to far: those of its team, user, name and size that were submitted
within the same half hour; those of its team, user, name and size; of its team, user and size; of
its team and size; of its size; and all. Levels that say no more than the next are left out.

The expectation is a mean, not a median: of work that cannot be stopped, the smallest *expected*
service first gives the least mean wait (Rothkopf, "Scheduling with random service times",
Management Science 12, 1966), and a median hides the long runs that block a node for days. Every
level's mean is drawn towards that of the next, as if ``SHRINKAGE`` more runs had been seen that
took as long as the next level expects.

Cold start: before any run has ended nothing is predicted at all; afterwards what has no history of
its own is expected to be like its size, or like all.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator

from scheduler_service.domain.prediction.sample import Sample
from scheduler_service.domain.scheduling.protocols import EVERYONE, Prediction
from scheduler_service.domain.scheduling.requests import SECOND, Request

BURST = 1_800 * SECOND
"""Width of the spans of time within which like submissions count as one burst."""

SHRINKAGE = 10
"""How many runs as long as the next level expects are added to every level."""

ENOUGH = 5
"""Runs that a level needs before quantiles are read from it."""

NEAR, FAR = 50, 200
"""Runs kept of a level that is about one user or burst, and of one about a team, size or all."""

CAPACITY = 10_000
"""Levels kept; the one that learned longest ago is forgotten first."""


class History:
    """Implements ``Predictor``. Never told anything about a run before its end.

    Memory is bounded by ``CAPACITY`` levels of ``FAR`` runs.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._samples: OrderedDict[Hashable, Sample] = OrderedDict()

    def kin(self, request: Request) -> Hashable:
        """The burst that a workload belongs to. What has the same kin has the same prediction."""
        size, burst = request.shape.total_milli, request.submitted // BURST
        return request.team, request.user, request.name, size, burst

    def predict(self, request: Request) -> Prediction | None:
        """What is expected of a run now; None as long as no run has ended."""
        known = [it for key in self._levels(request) if (it := self._samples.get(key))]
        if not known:
            return None
        expected = known[-1].total // len(known[-1])
        for sample in reversed(known[:-1]):
            expected = (sample.total + SHRINKAGE * expected) // (len(sample) + SHRINKAGE)
        nearest = next((it for it in known if len(it) >= ENOUGH), known[-1])
        return Prediction(expected, nearest.quantile(50), nearest.quantile(90))

    def learn(self, request: Request, served: int, now: int) -> Hashable | None:
        """Takes note of a run that has ended by itself after ``served`` microseconds of service.

        Returns the kin whose prediction has moved, ``EVERYONE``, or None. A kin is named after its
        first, second, third, fourth, sixth, eighth, twelfth... run: what a prediction can still
        move by shrinks with the number of runs, and so the cost of asking again stays in bounds.
        """
        for key in self._levels(request):
            self._sample(key).add(served)
        if _round(self._samples[()].seen):
            return EVERYONE
        kin = self.kin(request)
        return kin if _milestone(self._samples[kin].seen) else None

    def _levels(self, request: Request) -> Iterator[Hashable]:
        """Keys from near to far."""
        team, user, name, size = request.team, request.user, request.name, request.shape.total_milli
        yield self.kin(request)
        if name:
            yield team, user, name, size
        if user:
            yield team, user, size
        if team:
            yield team, size
        yield (size,)
        yield ()

    def _sample(self, key: Hashable) -> Sample:
        sample = self._samples.get(key)
        if sample is None:
            near = isinstance(key, tuple) and len(key) > 2
            sample = self._samples[key] = Sample(NEAR if near else FAR)
            if len(self._samples) > self._capacity:
                self._samples.popitem(last=False)
        else:
            self._samples.move_to_end(key)
        return sample


def _milestone(count: int) -> bool:
    """Whether a count is a power of two or three times one."""
    return _round(count) or (count % 3 == 0 and _round(count // 3))


def _round(count: int) -> bool:
    """Whether a count is a power of two."""
    return count & (count - 1) == 0
