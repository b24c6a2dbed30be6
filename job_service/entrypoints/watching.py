"""WatchJobs: a snapshot of the jobs that match, then every change to them, resumable by token.

The six promises of the contract (ordered, unique, atomic, reliable, resumable, bookmarked) rest on
the event log; here events are filtered, encoded once for all watchers, and joined to messages.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from uuid_utils import UUID

from gpuaas.job.v1 import job_event_pb2
from gpuaas.job.v1.job_service_pb2 import WatchJobsResponse
from job_service.application.ports import JobQuery, Reader
from job_service.domain.job import Job, JobEvent
from job_service.domain.states import JobState
from job_service.entrypoints.encoding.jobs import encoded_event, job_message, lasting_part
from job_service.entrypoints.events import EventDecoder
from job_service.entrypoints.snapshots import Pages
from servicekit.clock import Clock
from servicekit.errors import ResourceExhausted
from servicekit.eventlog import BATCH, BOOKMARK, EventLog
from servicekit.transaction import RecordedEvent
from servicekit.wellknown import timestamp
from servicekit.wire import Encoded, element

K = TypeVar("K")

MESSAGE_BYTES = 1024 * 1024
PAGE = BATCH
"""Jobs of a snapshot that are read at once."""
KEPT_EVENTS = 2 * BATCH
KEPT_JOBS = BATCH
GLANCE = BOOKMARK / 3
"""How often at least a watch looks whether a bookmark is due; one is due before it is late."""

_EVENTS = WatchJobsResponse.EVENTS_FIELD_NUMBER


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


class Shown(NamedTuple):
    """An event as it stands on the wire, and whether its change goes on in the next one."""

    revision: int
    element: bytes
    more: bool


@dataclass(frozen=True)
class JobWatch:
    """Serves all watches of one process; its messages are encoded already.

    Attributes:
        elements: events of the log by revision, as they stand on the wire.
        jobs: by job id what never changes of it, encoded; most events are of a few jobs.
    """

    reader: Reader
    log: EventLog
    decode: EventDecoder
    clock: Clock
    most_per_caller: int = 100
    elements: dict[int, bytes] = field(default_factory=dict)
    jobs: dict[str, bytes] = field(default_factory=dict)
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

    async def follow(self, wanted: Filter, token: str, snapshot: bool) -> AsyncIterator[Encoded]:
        """Encoded WatchJobsResponses for as long as the caller listens."""
        pages = Pages(PAGE)
        if token:
            after = self.log.revision(token)
        elif snapshot:
            async for message in self._snapshot(wanted, pages):
                yield message
            after = pages.first
        else:
            after = self.log.head
            yield self._bookmark(after)
        async for message in self._changes(wanted, after, pages):
            yield message

    def write(self, message: job_event_pb2.JobEvent, event: JobEvent, revision: int) -> None:
        """An event of the log, in place."""
        message.MergeFromString(self._event(event, revision))

    async def _snapshot(self, wanted: Filter, pages: Pages) -> AsyncIterator[Encoded]:
        """The jobs as they are, read page by page; what changes meanwhile is in the log."""
        ids = sorted(wanted.job_ids)
        while not pages.complete:
            revision, jobs = await self.reader.snapshot(wanted.query, ids, pages.end, pages.size)
            pages.add(revision, jobs)
            for message in self._page(jobs, pages):
                yield message

    def _page(self, jobs: Sequence[Job], pages: Pages) -> Iterator[Encoded]:
        """Only the last message of all and its last event carry a token: others would skip jobs."""
        token = self.log.token(pages.first) if pages.complete else ""
        last = jobs[-1] if jobs else None
        events = (_as_it_stands(job, pages.first, token if job is last else "") for job in jobs)
        shown = (Shown(pages.first, _element(it), False) for it in events)
        *parts, rest = list(_cut(shown)) or [[]]
        for part in parts:
            yield _joined(part, WatchJobsResponse())
        yield _joined(rest, WatchJobsResponse(resume_token=token, bookmark=pages.complete))

    async def _changes(self, wanted: Filter, after: int, pages: Pages) -> AsyncIterator[Encoded]:
        said_at = self.clock.monotonic()
        async for batch in self.log.follow(after, bookmark=GLANCE):
            after = batch[-1].revision if batch else after
            for part in _cut(self._matching(wanted, batch, pages)):
                said_at = self.clock.monotonic()
                token = self.log.token(part[-1].revision)
                yield _joined(part, WatchJobsResponse(resume_token=token))
            if self.clock.monotonic() - said_at >= (BOOKMARK - GLANCE).total_seconds():
                said_at = self.clock.monotonic()
                yield self._bookmark(after)

    def _bookmark(self, revision: int) -> Encoded:
        return _joined([], WatchJobsResponse(resume_token=self.log.token(revision), bookmark=True))

    def _matching(
        self, wanted: Filter, batch: Iterable[RecordedEvent], pages: Pages
    ) -> Iterator[Shown]:
        """The events that the watch shows."""
        for recorded in batch:
            event = self.decode(recorded)
            if not wanted.about(event.job) or pages.have_shown(event.job, recorded.revision):
                continue
            if wanted.shows(event.job.state):
                yield Shown(recorded.revision, self._encoded(recorded, event), recorded.more)
            elif wanted.shows(event.previous_state):
                yield Shown(recorded.revision, self._left(recorded, event), recorded.more)

    def _encoded(self, recorded: RecordedEvent, event: JobEvent) -> bytes:
        """The event, encoded once however many watch; the oldest go."""
        known = self.elements.get(recorded.revision)
        if known is None:
            known = element(_EVENTS, self._event(event, recorded.revision))
            _keep(self.elements, recorded.revision, known, KEPT_EVENTS)
        return known

    def _left(self, recorded: RecordedEvent, event: JobEvent) -> bytes:
        """The event for those whose filter its job does not match any more."""
        message = job_event_pb2.JobEvent()
        self.write(message, event, recorded.revision)
        message.kind = job_event_pb2.JobEvent.KIND_LEFT_FILTER
        return _element(message)

    def _event(self, event: JobEvent, revision: int) -> bytes:
        event_id = str(UUID(bytes=self.log.identity + revision.to_bytes(8, "big")))
        lasting = self.jobs.get(event.job.id)
        if lasting is None:
            lasting = lasting_part(event.job)
            _keep(self.jobs, event.job.id, lasting, KEPT_JOBS)
        return encoded_event(event, revision, event_id, self.log.token(revision), lasting)


def _cut(shown: Iterable[Shown]) -> Iterator[list[Shown]]:
    """Parts of about ``MESSAGE_BYTES``; the events of one change stay together."""
    part: list[Shown] = []
    size = 0
    for event in shown:
        part.append(event)
        size += len(event.element)
        if size >= MESSAGE_BYTES and not event.more:
            yield part
            part, size = [], 0
    if part:
        yield part


def _joined(part: Sequence[Shown], rest: WatchJobsResponse) -> Encoded:
    """A message of these events and of what else it says."""
    return Encoded(b"".join([*(event.element for event in part), rest.SerializeToString()]))


def _element(event: job_event_pb2.JobEvent) -> bytes:
    return element(_EVENTS, event.SerializeToString())


def _keep(kept: dict[K, bytes], key: K, encoded: bytes, most: int) -> None:
    """Keeps the newest; the oldest goes."""
    kept[key] = encoded
    if len(kept) > most:
        del kept[next(iter(kept))]


def _as_it_stands(job: Job, revision: int, resume_token: str) -> job_event_pb2.JobEvent:
    return job_event_pb2.JobEvent(
        revision=revision,
        id=job.id,
        kind=job_event_pb2.JobEvent.KIND_SNAPSHOT,
        time=timestamp(job.updated_at),
        job=job_message(job),
        resume_token=resume_token,
    )
