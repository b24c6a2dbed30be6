"""The past and the present as a rebuilt engine is told them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge

from scheduler_service.domain.engine import Began, Ended, EngineEvent, Placed, Submitted
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.scheduling.events import End
from scheduler_service.domain.workload import Workload, WorkloadState

_LOST = (PreemptionCause.NODE_LOST, PreemptionCause.NODE_DRAINED)


def remembered(past: Iterable[Workload], running: Iterable[Workload]) -> list[EngineEvent]:
    """The starts and ends of all runs in order of time; what ends at a moment comes first."""
    told = [it for workload in (*past, *running) for it in _run(workload)]
    told.sort(key=lambda it: it[:2])
    return [event for _, _, event in told]


def present(running: Iterable[Workload], queued: Iterable[Workload]) -> Iterator[EngineEvent]:
    """What runs and what waits, in the order of arrival, as both are given."""
    for workload in merge(running, queued, key=lambda it: it.enqueued_at):
        yield from _present(workload)


def _run(workload: Workload) -> Iterator[tuple[datetime, int, EngineEvent]]:
    since, placement, spec = workload.started_at, workload.placement, workload.spec
    if since is None or placement is None:
        return
    yield since, 1, Began(spec, placement.pool, since, workload.enqueued_at)
    if workload.ended_at is not None:
        # A clock that was set back must not let a run end before it began.
        until = max(since, workload.ended_at)
        yield until, 0 if until > since else 2, Ended(spec.id, until, _end(workload))


def _present(workload: Workload) -> Iterator[EngineEvent]:
    if workload.state is WorkloadState.QUEUED:
        yield Submitted(workload.spec, workload.enqueued_at)
    elif workload.placement is not None:
        since = workload.started_at or workload.enqueued_at
        yield Placed(workload.spec, workload.placement, since, workload.enqueued_at)


def _end(workload: Workload) -> End:
    if workload.state is WorkloadState.FINISHED:
        return End.BY_ITSELF
    if workload.state is not WorkloadState.PREEMPTED:
        return End.CANCELLED
    return End.LOST if workload.cause in _LOST else End.STOPPED
