"""Work of a higher priority stops preemptible work of a lower one."""

from collections.abc import Iterable, Sequence

from scheduler_service.domain.preemption.guaranteed import Guaranteed, past_guarantee
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
            self.offers = OffersByShape(pool)
        shape, priority = job.request.shape, job.request.priority
        offers = self.offers.get(shape, priority, lambda: _Below(pool, priority))
        room = cheapest_room(pool, job, offers, now)
        return [Victim(run, PreemptionRule.PRIORITY) for run in room]

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next of them may be stopped."""
        if self._guaranteed is None:
            self._guaranteed = Guaranteed(pool, _priority)
        return self._guaranteed.next(now, lambda priority: priority < job.request.priority)


class _Below:
    """Judges preemptible runs of a priority below one."""

    def __init__(self, pool: Pool, priority: int) -> None:
        self._pool = pool
        self._priority = priority

    def among(self, node: int, runs: Iterable[Job], now: int) -> tuple[list[Job], int | None]:
        """Those that have had their guaranteed time."""
        highest = self._priority
        lower = [run for run in runs if run.request.preemptible and run.request.priority < highest]
        return past_guarantee(self._pool, lower, now) if lower else ([], None)


def _priority(run: Job) -> int | None:
    return run.request.priority if run.request.preemptible else None
