"""The event stream: the service's log as messages, each event encoded once for all who watch.

The promises, by the names of their tests: ordered, unique, atomic (the events of one change come in
one message), reliable, resumable, bookmarkable.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta

from gpuaas.scheduler.v1 import scheduler_service_pb2, workload_pb2
from scheduler_service.application.ports import DecodeEvent
from scheduler_service.domain.events import (
    WorkloadCancelled,
    WorkloadEvent,
    WorkloadFinished,
    WorkloadPreempted,
    WorkloadRefused,
    WorkloadStarted,
)
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.entrypoints import encoding
from servicekit.clock import Clock
from servicekit.eventlog import BOOKMARK, EventLog, Pace
from servicekit.transaction import RecordedEvent
from servicekit.wire import Encoded, element

BATCH = 500
BATCH_BYTES = 1 << 20
_REMEMBERED = 2 * BATCH

Message = scheduler_service_pb2.WatchEventsResponse
_Kind = workload_pb2.WorkloadEvent
_CAUSES = {
    cause: workload_pb2.PreemptionCause.Value(f"PREEMPTION_CAUSE_{cause.name}")
    for cause in PreemptionCause
}


class EventFeed:
    """Gives the log to any number of watchers."""

    def __init__(
        self,
        log: EventLog,
        decode: DecodeEvent,
        clock: Clock,
        *,
        bookmark: timedelta = BOOKMARK,
    ) -> None:
        self._log = log
        self._decode = decode
        self._clock = clock
        self._bookmark = bookmark.total_seconds()
        self._elements: dict[int, bytes] = {}

    async def messages(
        self, resume_token: str, workload_ids: Collection[str]
    ) -> AsyncIterator[Encoded]:
        """Everything after the token, as long as the caller iterates; no ids: of all workloads.

        Messages are encoded WatchEventsResponses.

        Raises:
            InvalidArgument: RESUME_TOKEN_INVALID.
            OutOfRange: RESUME_TOKEN_EXPIRED.
        """
        after = self._log.revision(resume_token) if resume_token else 0
        due = self._clock.monotonic() + self._bookmark
        pace = Pace()
        while True:
            await pace.rest()
            batch = that_fit(await self._log.read(after, BATCH))
            pace.took(batch)
            after = batch[-1].revision if batch else after
            wanted = [it for it in batch if not workload_ids or it.subject in workload_ids]
            if wanted:
                yield self._message(wanted, after)
            elif self._clock.monotonic() >= due:
                bookmark = Message(resume_token=self._log.token(after), bookmark=True)
                yield Encoded(bookmark.SerializeToString())
            elif not batch:
                left = max(0.0, due - self._clock.monotonic())
                await self._log.wait(after, timedelta(seconds=left))
                continue
            else:
                continue
            due = self._clock.monotonic() + self._bookmark

    def _message(self, events: Sequence[RecordedEvent], after: int) -> Encoded:
        rest = Message(resume_token=self._log.token(after)).SerializeToString()
        return Encoded(b"".join([*map(self._element, events), rest]))

    def _element(self, event: RecordedEvent) -> bytes:
        """The event as it stands on the wire, encoded once however many watch."""
        known = self._elements.get(event.revision)
        if known is None:
            fact = self._decode(event.kind, event.payload)
            message = _encode(event, fact, self._log.token(event.revision))
            known = element(Message.EVENTS_FIELD_NUMBER, message.SerializeToString())
            self._elements[event.revision] = known
            if len(self._elements) > _REMEMBERED:
                del self._elements[next(iter(self._elements))]
        return known


def that_fit(events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
    """The leading changes that fit into one message, at least one; a change is never cut."""
    size = end = 0
    for position, event in enumerate(events, 1):
        size += len(event.payload)
        if size > BATCH_BYTES and end:
            return events[:end]
        if not event.more:
            end = position
    return events


def _encode(event: RecordedEvent, fact: WorkloadEvent, token: str) -> workload_pb2.WorkloadEvent:
    message = workload_pb2.WorkloadEvent(
        revision=event.revision,
        workload_id=fact.workload_id,
        job_id=fact.job_id,
        kind=_Kind.KIND_QUEUED,
        resume_token=token,
    )
    encoding.write_moment(message.time, event.at)
    if isinstance(fact, WorkloadFinished | WorkloadCancelled | WorkloadPreempted):
        message.used_milli_gpu_seconds = fact.used_milli_gpu_seconds
        encoding.write_money(message.cost, fact.cost)
    match fact:
        case WorkloadStarted(allocation_id=allocation_id, placement=placement):
            message.kind = _Kind.KIND_STARTED
            encoding.write_placement(message.placement, placement, allocation_id)
        case WorkloadFinished(outcome=outcome):
            message.kind = _Kind.KIND_FINISHED
            encoding.write_outcome(message.outcome, outcome)
        case WorkloadCancelled(reason=reason):
            message.kind = _Kind.KIND_CANCELLED
            message.message = reason
        case WorkloadPreempted(preemptor_id=preemptor_id, cause=cause, message=text):
            message.kind = _Kind.KIND_PREEMPTED
            message.preemptor_id = preemptor_id
            message.preemption_cause = _CAUSES[cause]
            message.message = text
        case WorkloadRefused(message=text):
            message.kind = _Kind.KIND_REFUSED
            message.message = text
    return message
