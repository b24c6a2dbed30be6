"""Work of a higher priority stops preemptible work of a lower one."""

from collections.abc import Sequence

from scheduler_service.domain.preemption.guaranteed import Guaranteed
from scheduler_service.domain.preemption.offers import OffersByShape
from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import Job


class ByPriority:
    """Implements ``Preemption`` for one pool."""

    def __init__(self) -> None:
        self.offers: OffersByShape[_Below] | None = None
        self._guaranteed: Guaranteed[int] | None = None

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Preemptible runs of a lower priority, the least work lost."""
        if self.offers is None:
            self.offers = OffersByShape(pool, _priority)
        shape, priority = job.request.shape, job.request.priority
        offers = self.offers.get(shape, priority, lambda: _Below(priority))
        room = cheapest_room(pool, job, offers, now)
        return [Victim(run, PreemptionRule.PRIORITY) for run in room]

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next of them may be stopped."""
        if self._guaranteed is None:
            self._guaranteed = Guaranteed(pool, _priority)
        return self._guaranteed.next(now, lambda priority: priority < job.request.priority)


class _Below:
    """Judges preemptible runs: those of a priority below one may be stopped."""

    def __init__(self, priority: int) -> None:
        self._priority = priority

    def wants(self, sort: int) -> bool:
        """Whether runs of a priority may be."""
        return sort < self._priority

    def among(self, runs: Sequence[Job], now: int) -> tuple[Sequence[Job], int | None]:
        """Those of lower priorities."""
        return [run for run in runs if run.request.priority < self._priority], None


def _priority(run: Job) -> int | None:
    return run.request.priority if run.request.preemptible else None
