"""Work of a higher priority stops preemptible work of a lower one."""

from collections.abc import Sequence

from scheduler_service.domain.preemption.guaranteed import Guaranteed, judged
from scheduler_service.domain.preemption.offers import NEVER, Judgement, OffersByShape
from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import Job


class ByPriority:
    """Implements ``Preemption`` for one pool."""

    def __init__(self) -> None:
        self._offers: OffersByShape[_Below] | None = None
        self._guaranteed: Guaranteed[int] | None = None

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Preemptible runs of a lower priority, the least work lost."""
        if self._offers is None:
            self._offers = OffersByShape(pool)
        shape, priority = job.request.shape, job.request.priority
        offers = self._offers.get(shape, priority, lambda: _Below(pool, priority))
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

    def __call__(self, run: Job, now: int) -> Judgement:
        request = run.request
        if request.preemptible and request.priority < self._priority:
            return judged(self._pool, run, now)
        return NEVER


def _priority(run: Job) -> int | None:
    return run.request.priority if run.request.preemptible else None
