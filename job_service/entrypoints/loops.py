"""The loops between the job service and the scheduler.

Each restarts from its cursor after any failure.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeAlias

from job_service.application.commands.acting import Policy
from job_service.application.commands.cursors import MoveCursor
from job_service.application.commands.offers import NoteOffers
from job_service.application.commands.starting import ReleaseJobs
from job_service.application.following import READER, ApplyReports
from job_service.application.ports import QueuedRun, Reader, Scheduler
from job_service.domain.job import SCHEDULER
from job_service.domain.offers import Offers
from job_service.domain.reports import Report
from job_service.domain.runs import RetryRule
from job_service.domain.states import EventKind
from job_service.entrypoints.events import EventDecoder
from servicekit.clock import EPOCH, Clock
from servicekit.eventlog import BOOKMARK, EventLog
from servicekit.transaction import RecordedEvent
from servicekit.writer import Writer

FORWARD = "forward"
NOTED_EVERY_S = 0.1
REPORTS = 500
LINGER_S = 0.002
CATALOGUE_REFRESH_S = 30.0
RELEASED = 500
RELEASE_EVERY_S = 0.25
LOOK_BACK = timedelta(minutes=1)

_HANDED_OVER = frozenset({EventKind.QUEUED, EventKind.PREEMPTED})
_ENDED = frozenset({EventKind.COMPLETED, EventKind.FAILED, EventKind.REJECTED, EventKind.CANCELLED})

Told: TypeAlias = tuple[list[Report], str]
"""Reports, and the position in the scheduler's log that they reach to."""


@dataclass
class _Passed:
    """What a Forwarder has read since it last noted how far it is.

    Attributes:
        noted, after: the revisions noted, and read to.
        done: whether anything was done that would be repeated from what is noted.
        ended: jobs that ended, for which others may wait.
        due: when it may be noted next, by the monotonic clock.
    """

    noted: int
    after: int
    done: bool = False
    ended: list[str] = field(default_factory=list)
    due: float = 0.0

    @property
    def open(self) -> bool:
        """Whether something is left to do."""
        return self.done or bool(self.ended)

    def patience(self) -> timedelta:
        """How long the next events may be waited for."""
        return timedelta(seconds=max(0.0, self.due - monotonic())) if self.open else BOOKMARK


@dataclass(frozen=True)
class Forwarder:
    """The outbox: hands queued jobs to the scheduler and stops the runs of jobs that were ended.

    It also lets jobs go on that waited for one that has ended. That, and the cursor, which moves
    after the calls, come at once when little happens, else now and then and when the loop is
    stopped: what a crash repeats, the run's id makes harmless.
    """

    log: EventLog
    writer: Writer[Any]
    scheduler: Scheduler
    decode: EventDecoder
    actor_of: Callable[[RecordedEvent], str]
    reader: Reader
    policy: Policy
    clock: Clock

    async def run(self) -> None:
        """Follows the service's own log from its cursor on."""
        position = await self.reader.position(FORWARD)
        start = self.log.revision(position) if position else 0
        passed = _Passed(start, start)
        try:
            async for batch in self.log.follow(start, sooner=passed.patience):
                passed.done = await self._deliver(batch) or passed.done
                passed.ended += [it.subject for it in batch if it.kind in _ENDED]
                passed.after = batch[-1].revision if batch else passed.after
                # In a quiet moment also what was none of its business: the log is trimmed so far.
                quiet = not batch and passed.after > passed.noted
                if quiet or (passed.open and monotonic() >= passed.due):
                    await self._note(passed, quiet=quiet)
        except asyncio.CancelledError:
            await self._note(passed, quiet=False)
            raise

    async def _note(self, passed: _Passed, *, quiet: bool) -> None:
        """Releases what waited for jobs that ended, and only then moves the cursor past them."""
        released = await self._release(passed.ended)
        passed.ended, passed.due = [], monotonic() + NOTED_EVERY_S
        if released or passed.done or quiet:
            await self.writer.execute(MoveCursor(FORWARD, self.log.token(passed.after)))
            passed.noted, passed.done = passed.after, False

    async def _deliver(self, batch: list[RecordedEvent]) -> bool:
        queued = self._runs(it for it in batch if it.kind in _HANDED_OVER)
        stopped = self._runs(it for it in batch if self._was_ended(it))
        if queued and (refused := await self.scheduler.enqueue(queued)):
            await self.writer.execute(ApplyReports(tuple(refused), "", self.policy.retry))
        if stopped:
            await self.scheduler.cancel([stopped.run.id for stopped in stopped])
        return bool(queued or stopped)

    async def _release(self, ended: list[str]) -> bool:
        waiting = await self.reader.dependents(ended) if ended else []
        for start in range(0, len(waiting), RELEASED):
            part = tuple(waiting[start : start + RELEASED])
            await self.writer.execute(ReleaseJobs(part, self.policy, self.clock.now()))
        return bool(waiting)

    def _was_ended(self, event: RecordedEvent) -> bool:
        """Whether a job ended though its run had not."""
        return event.kind in _ENDED and self.actor_of(event) != SCHEDULER

    def _runs(self, events: Iterable[RecordedEvent]) -> list[QueuedRun]:
        """The runs of jobs that these events happened to; a job never queued has none."""
        jobs = [(self.decode(it).job, it.traceparent) for it in events]
        return [QueuedRun(job, job.run, trace) for job, trace in jobs if job.run]


@dataclass(frozen=True)
class Releaser:
    """Lets jobs go on whose time has come: not before then, or after the pause of a retry.

    It looks back a little each time, for a change may commit later than the time it carries.
    """

    writer: Writer[Any]
    reader: Reader
    policy: Policy
    clock: Clock

    async def run(self) -> None:
        """Looks for ever."""
        seen = EPOCH
        while True:
            now = self.clock.now()
            await self._release(seen, now)
            seen = now - LOOK_BACK
            await asyncio.sleep(RELEASE_EVERY_S)

    async def _release(self, seen: datetime, now: datetime) -> None:
        after = (seen, "")
        while due := await self.reader.due(after, now, RELEASED):
            job_ids = tuple(job_id for _, job_id in due)
            await self.writer.execute(ReleaseJobs(job_ids, self.policy, now))
            after = due[-1]


@dataclass(frozen=True)
class Follower:
    """Applies what the scheduler reports, each batch together with the cursor: exactly once."""

    writer: Writer[Any]
    scheduler: Scheduler
    reader: Reader
    retry: RetryRule

    async def run(self) -> None:
        """Follows the scheduler's log from the cursor on."""
        position = await self.reader.position(READER)
        async for reports, reached in gathered(self.scheduler.watch(position)):
            if reports:
                await self.writer.execute(ApplyReports(tuple(reports), reached, self.retry))


async def gathered(stream: AsyncIterator[Told]) -> AsyncIterator[Told]:
    """The stream, read one ahead; what comes faster than it is taken is taken together."""
    coming = asyncio.ensure_future(anext(stream))
    try:
        while True:
            reports, reached = await coming
            coming = asyncio.ensure_future(anext(stream))
            while coming.done() and len(reports) < REPORTS:
                more, reached = await coming
                reports += more
                coming = asyncio.ensure_future(anext(stream))
                await asyncio.wait([coming], timeout=LINGER_S)
            yield reports, reached
    finally:
        coming.cancel()


@dataclass
class Catalogue:
    """What the scheduler has to offer, asked from time to time and noted where it is new."""

    scheduler: Scheduler
    writer: Writer[Any]
    offers: Offers = field(default_factory=Offers)
    types: frozenset[str] = field(default_factory=frozenset)

    def known(self) -> Offers:
        """All of it, or nothing while the scheduler has not been reached yet."""
        return self.offers

    def gpu_types(self) -> frozenset[str]:
        """The device types of that."""
        return self.types

    async def run(self) -> None:
        """Asks for ever."""
        while True:
            offers = await self.scheduler.offers()
            if offers != self.offers:
                await self.writer.execute(NoteOffers(offers))
                self.offers, self.types = offers, offers.gpu_types
            await asyncio.sleep(CATALOGUE_REFRESH_S)
