"""Work of a higher priority stops preemptible work of a lower one."""

from collections.abc import Iterator, Sequence

from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import Job


class ByPriority:
    """Implements ``Preemption``."""

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Preemptible runs of a lower priority, the least work lost."""
        lower = [run for run in _lower(pool, job) if pool.may_stop(run, now)]
        room = cheapest_room(pool, job, lower, now) if lower else []
        return [Victim(run, PreemptionRule.PRIORITY) for run in room]

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next of them may be stopped."""
        return next_stoppable(pool, _lower(pool, job), now)


def next_stoppable(pool: Pool, runs: Iterator[Job], now: int) -> int | None:
    """When the next of some runs may be stopped that may not be now; None: none ever."""
    times = (pool.stoppable_at(run, now) for run in runs)
    return min((at for at in times if at is not None and at > now), default=None)


def _lower(pool: Pool, job: Job) -> Iterator[Job]:
    priority = job.request.priority
    for run in pool.running.values():
        if run.request.preemptible and run.request.priority < priority:
            yield run
