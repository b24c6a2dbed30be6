"""What the order would rather run stops what runs.

With ``las`` or ``las_levels`` this is least attained service as in Tiresias (Gu et al., NSDI 2019,
section 3), with ``sjf`` and ``ssf`` it is SRTF and SRSF, which Muri builds upon (Zhao et al.,
SIGCOMM 2022, section 4).

A job stops those that the first term of the order puts behind it. Terms after the first only decide
between equals, and stopping for them would be thrashing, but for one case: work that needs whole
nodes. Single devices come free all the time; whole nodes come free by chance only, or by stopping
the small work that lies scattered over them and goes on elsewhere. Jobs of at least
``whole_nodes_from`` devices (the rules' option, 8 without it) therefore stop whatever comes later
in the order at all.
"""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

from scheduler_service.domain.preemption.offers import Offers, OffersByShape
from scheduler_service.domain.preemption.room import cheapest_room, hopeless
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.lines import Line, sooner
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import SECOND, Job, Key

GRAIN = 60 * SECOND
"""The pool is woken at multiples of this: what becomes stoppable within one is stopped at its end,
so that a busy pool is planned once a minute for it and not once for every run."""

DEVICES = 8
"""Jobs of at least so many need whole nodes."""

Place: TypeAlias = tuple[tuple[Key, ...], int]
"""A place in the order: the terms of a key that decide, and then the number of an arrival."""


class ByOrder:
    """Implements ``Preemption`` for one pool."""

    def __init__(self, whole_nodes_from: int = DEVICES) -> None:
        self._whole = whole_nodes_from * WHOLE
        self.offers: OffersByShape[_Later] | None = None
        self._started: list[Job] | None = None
        self._due: list[tuple[int, int, int, Job]] = []

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Those that come later in the order, the least work lost."""
        self._update(pool, now)
        if self.offers is None:
            self.offers = OffersByShape(pool, _any)
        place = self._place(pool, job)
        offers = self.offers.get(job.request.shape, None, lambda: _Later(pool, place))
        if offers.judge.place < place and hopeless(pool, job, offers, now):
            # What could be stopped for others of the shape is more than what can be for this one.
            return ()
        _move(offers, place)
        room = cheapest_room(pool, job, offers, now)
        return [Victim(run, PreemptionRule.ORDER) for run in room]

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next run becomes stoppable or changes its place, to the next minute."""
        due = self._due
        while due and not _valid(due[0]):
            heappop(due)
        return -(-max(due[0][0], now + 1) // GRAIN) * GRAIN if due else None

    def _update(self, pool: Pool, now: int) -> None:
        """Takes in what started since the last look, and what has become due."""
        least, due = pool.policy.preemption.minimum_runtime, self._due
        if self._started is None:
            self._started = pool.running.runs.follow()
        for run in self._started:
            if run.slices:
                heappush(due, (run.since + least, run.sequence, run.starts, run))
        self._started.clear()
        stays = getattr(pool.order, "stays", None)
        while due and due[0][0] <= now:
            entry = heappop(due)
            run = entry[3]
            until = stays(run, now) if stays and _valid(entry) else None
            if until is not None and until > now:
                heappush(due, (until, run.sequence, run.starts, run))

    def _place(self, pool: Pool, job: Job) -> Place:
        """Where a job stands among those that it may stop; equals come before those of no arrival.

        For less than whole nodes only the first term of the order decides.
        """
        key = job.key if isinstance(job.key, tuple) else (job.key,)
        if job.request.shape.total_milli >= self._whole:
            return key, job.sequence
        return key[: pool.ranks_before_shares + 1], _ANY


_ANY = 1 << 62
EVERYWHERE = -1
"""The set of all nodes."""


class _Later:
    """Judges runs: those that come later in the order than a place, as far as its terms go.

    Attributes:
        place: that place.
    """

    def __init__(self, pool: Pool, place: Place) -> None:
        self.place = place
        self._lines_of = pool.order.lines

    def wants(self, sort: bool) -> bool:
        """Everything may be stopped."""
        return sort

    def among(self, runs: Sequence[Job], now: int) -> tuple[Sequence[Job], int | None]:
        """Those that come later."""
        later, until, (terms, sequence) = [], None, self.place
        for run in runs:
            lines = self._lines_of(run, now)[: len(terms)]
            is_later, sure = _later(lines, terms, sequence < run.sequence, now)
            if is_later:
                later.append(run)
            until = sooner(until, sure)
        return later, until


def _later(
    lines: Iterable[Line], terms: Sequence[int], equal: bool, now: int
) -> tuple[bool, int | None]:
    """Whether lines are later than terms, where equals are ``equal``, and until when."""
    until: int | None = None
    for line, term in zip(lines, terms, strict=False):
        until = sooner(until, line.until)
        value, border = line.at(now), Line(0, term)
        if value > term:
            return True, sooner(until, border.reaches(line, now))
        if value < term:
            return False, sooner(until, line.reaches(border, now))
        if line.slope:
            until = sooner(until, now + 1)
    return equal, until


def _move(offers: Offers[_Later], place: Place) -> None:
    """Lets what runs be judged by another place: what is later than a later one, is anyway."""
    before, offers.judge.place = offers.judge.place, place
    if place != before:
        offers.judge_anew(EVERYWHERE if place < before else 0)


def _any(run: Job) -> bool:
    return True


def _valid(entry: tuple[int, int, int, Job]) -> bool:
    """Whether the run that an entry was made for still runs."""
    _, _, starts, run = entry
    return bool(run.slices) and run.starts == starts
