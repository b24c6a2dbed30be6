"""A team below its own share takes it back from those who run beyond theirs."""

from collections.abc import Iterator, Sequence

from scheduler_service.domain.preemption.priority import next_stoppable
from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import Job


class ByReclaim:
    """Implements ``Preemption``. A team is never brought below its own share."""

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Preemptible runs of teams that borrow, the least work lost."""
        borrowed = [run for run in _borrowed(pool, job) if pool.may_stop(run, now)]
        room = cheapest_room(pool, job, borrowed, now) if borrowed else []
        if _spares_owners(pool, room):
            return [Victim(run, PreemptionRule.RECLAIM) for run in room]
        return ()

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next of them may be stopped."""
        return next_stoppable(pool, _borrowed(pool, job), now)


def _borrowed(pool: Pool, job: Job) -> Iterator[Job]:
    """Preemptible runs of teams that hold more than their own, if the job's team does not."""
    shares, request = pool.shares, job.request
    if shares is None or not shares.owns(request.team, request.shape):
        return
    kind = request.shape.resource_type
    for run in pool.running.values():
        other = run.request
        alike = other.preemptible and other.shape.resource_type is kind
        if alike and other.team != request.team and shares.borrows(other.team, kind) > 0:
            yield run


def _spares_owners(pool: Pool, room: Sequence[Job]) -> bool:
    """Whether every run that is stopped was, at its turn, beyond its team's own share."""
    if pool.shares is None:
        return False
    given: dict[str, int] = {}
    for run in room:
        team, shape = run.request.team, run.request.shape
        if pool.shares.borrows(team, shape.resource_type) - given.get(team, 0) <= 0:
            return False
        given[team] = given.get(team, 0) + shape.total_milli
    return True
