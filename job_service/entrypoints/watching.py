"""WatchJobs: a snapshot of the jobs that match, then every change to them, resumable by token.

The six promises of the contract (ordered, unique, atomic, reliable, resumable, bookmarked) rest on
the event log; here events are filtered, encoded once for all watchers, and cut into messages.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from gpuaas.job.v1 import job_event_pb2
from gpuaas.job.v1.job_service_pb2 import WatchJobsResponse
from job_service.application.ports import JobQuery, Reader
from job_service.domain.job import Job, JobEvent
from job_service.domain.states import JobState
from job_service.entrypoints.encoding.jobs import job_message, write_event
from job_service.entrypoints.events import EventDecoder
from servicekit.clock import Clock
from servicekit.errors import ResourceExhausted
from servicekit.eventlog import BOOKMARK, EventLog
from servicekit.transaction import RecordedEvent
from servicekit.wellknown import timestamp

MESSAGE_BYTES = 1024 * 1024
KEPT_MESSAGES = 8192
GLANCE = BOOKMARK / 3
"""How often at least a watch looks whether a bookmark is due; one is due before it is late."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a watch is about."""

    query: JobQuery
    job_ids: frozenset[str]

    def about(self, job: Job) -> bool:
        """Whether everything that never changes about the job matches."""
        return (not self.job_ids or job.id in self.job_ids) and self.query.about(job)

    def shows(self, state: JobState | None) -> bool:
        """Whether a job in this state matches; no job does not."""
        return self.query.shows(state)


@dataclass(frozen=True)
class JobWatch:
    """Serves all watches of one process."""

    reader: Reader
    log: EventLog
    decode: EventDecoder
    clock: Clock
    most_per_caller: int = 100
    messages: dict[int, job_event_pb2.JobEvent] = field(default_factory=dict)
    open_streams: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def counted(self, caller_id: str) -> Iterator[None]:
        """Counts a stream of the caller while it is open.

        Raises:
            ResourceExhausted: TOO_MANY_WATCHES, as many are open as are allowed.
        """
        if self.open_streams[caller_id] >= self.most_per_caller:
            raise ResourceExhausted(
                f"{self.most_per_caller} streams are open already; close one first.",
                reason="TOO_MANY_WATCHES",
                metadata={"limit": str(self.most_per_caller)},
            )
        self.open_streams[caller_id] += 1
        try:
            yield
        finally:
            self.open_streams[caller_id] -= 1
            if not self.open_streams[caller_id]:
                del self.open_streams[caller_id]

    async def follow(
        self, wanted: Filter, token: str, snapshot: bool
    ) -> AsyncIterator[WatchJobsResponse]:
        """Messages for as long as the caller listens."""
        if token:
            after = self.log.revision(token)
        elif snapshot:
            after, jobs = await self.reader.snapshot(wanted.query, sorted(wanted.job_ids))
            for part in self._snapshot(after, jobs):
                yield part
        else:
            after = self.log.head
            yield self._bookmark(after)
        async for message in self._changes(wanted, after):
            yield message

    def _snapshot(self, revision: int, jobs: Sequence[Job]) -> Iterator[WatchJobsResponse]:
        """The jobs as they are.

        Only the last message and its last event carry a token, for an earlier one would skip jobs.
        """
        *parts, rest = list(_cut((_as_it_stands(job, revision), False) for job in jobs)) or [[]]
        for part in parts:
            yield WatchJobsResponse(events=part)
        last = self._bookmark(revision)
        last.events.extend(rest)
        for event in last.events[-1:]:
            event.resume_token = last.resume_token
        yield last

    async def _changes(self, wanted: Filter, after: int) -> AsyncIterator[WatchJobsResponse]:
        said_at = self.clock.monotonic()
        async for batch in self.log.follow(after, bookmark=GLANCE):
            after = batch[-1].revision if batch else after
            for events in _cut(self._matching(wanted, batch)):
                said_at = self.clock.monotonic()
                yield WatchJobsResponse(events=events, resume_token=events[-1].resume_token)
            if self.clock.monotonic() - said_at >= (BOOKMARK - GLANCE).total_seconds():
                said_at = self.clock.monotonic()
                yield self._bookmark(after)

    def _bookmark(self, revision: int) -> WatchJobsResponse:
        return WatchJobsResponse(resume_token=self.log.token(revision), bookmark=True)

    def _matching(
        self, wanted: Filter, batch: Iterable[RecordedEvent]
    ) -> Iterator[tuple[job_event_pb2.JobEvent, bool]]:
        """The events that the watch shows, each with whether its change goes on."""
        for recorded in batch:
            event = self.decode(recorded)
            if not wanted.about(event.job):
                continue
            if wanted.shows(event.job.state):
                yield self._message(recorded, event), recorded.more
            elif wanted.shows(event.previous_state):
                yield _left(self._message(recorded, event)), recorded.more

    def _message(self, recorded: RecordedEvent, event: JobEvent) -> job_event_pb2.JobEvent:
        """The event's message, encoded once however many watch; the oldest go."""
        known = self.messages.get(recorded.revision)
        if known is None:
            known = self.messages[recorded.revision] = self._encoded(recorded, event)
            if len(self.messages) > KEPT_MESSAGES:
                del self.messages[next(iter(self.messages))]
        return known

    def _encoded(self, recorded: RecordedEvent, event: JobEvent) -> job_event_pb2.JobEvent:
        message = job_event_pb2.JobEvent()
        self.write(message, event, recorded.revision)
        return message

    def write(self, message: job_event_pb2.JobEvent, event: JobEvent, revision: int) -> None:
        """An event of the log, in place."""
        event_id = str(UUID(bytes=self.log.identity + revision.to_bytes(8, "big")))
        write_event(message, event, revision, event_id, self.log.token(revision))


def _cut(
    events: Iterable[tuple[job_event_pb2.JobEvent, bool]],
) -> Iterator[list[job_event_pb2.JobEvent]]:
    """Parts of about ``MESSAGE_BYTES``; the events of one change stay together."""
    part: list[job_event_pb2.JobEvent] = []
    size = 0
    for message, more in events:
        part.append(message)
        size += message.ByteSize()
        if size >= MESSAGE_BYTES and not more:
            yield part
            part, size = [], 0
    if part:
        yield part


def _left(message: job_event_pb2.JobEvent) -> job_event_pb2.JobEvent:
    left = job_event_pb2.JobEvent()
    left.CopyFrom(message)
    left.kind = job_event_pb2.JobEvent.KIND_LEFT_FILTER
    return left


def _as_it_stands(job: Job, revision: int) -> job_event_pb2.JobEvent:
    return job_event_pb2.JobEvent(
        revision=revision,
        id=job.id,
        kind=job_event_pb2.JobEvent.KIND_SNAPSHOT,
        time=timestamp(job.updated_at),
        job=job_message(job),
    )
