"""The loops between the job service and the scheduler.

Each restarts from its cursor after any failure.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias

from job_service.application.commands import MoveCursor
from job_service.application.following import READER, ApplyReports
from job_service.application.ports import QueuedRun, Reader, Scheduler
from job_service.domain.job import EventKind
from job_service.domain.reports import Report
from job_service.entrypoints.events import EventDecoder
from servicekit.eventlog import EventLog
from servicekit.transaction import RecordedEvent
from servicekit.writer import Writer

FORWARD = "forward"
NOTED_EVERY_S = 0.1
REPORTS = 500
LINGER_S = 0.002
CATALOGUE_REFRESH_S = 30.0

Told: TypeAlias = tuple[list[Report], str]
"""Reports, and the position in the scheduler's log that they reach to."""


@dataclass(frozen=True)
class Forwarder:
    """The outbox: hands queued jobs to the scheduler and stops the runs of cancelled ones.

    The cursor moves after the calls, now and then and when the loop is stopped: what a crash
    repeats, the run's id makes harmless.
    """

    log: EventLog
    writer: Writer[Any]
    scheduler: Scheduler
    decode: EventDecoder
    reader: Reader

    async def run(self) -> None:
        """Follows the service's own log from its cursor on."""
        position = await self.reader.position(FORWARD)
        after = self.log.revision(position) if position else 0
        unnoted, due = False, 0.0
        try:
            async for batch in self.log.follow(after):
                unnoted = await self._deliver(batch) or unnoted
                after = batch[-1].revision if batch else after
                if unnoted and monotonic() >= due:
                    await self._note(after)
                    unnoted, due = False, monotonic() + NOTED_EVERY_S
        except asyncio.CancelledError:
            if unnoted:
                await self._note(after)
            raise

    async def _note(self, revision: int) -> None:
        await self.writer.execute(MoveCursor(FORWARD, self.log.token(revision)))

    async def _deliver(self, batch: list[RecordedEvent]) -> bool:
        queued = self._runs(batch, EventKind.QUEUED, EventKind.PREEMPTED)
        cancelled = self._runs(batch, EventKind.CANCELLED)
        if queued and (refused := await self.scheduler.enqueue(queued)):
            await self.writer.execute(ApplyReports(tuple(refused)))
        if cancelled:
            await self.scheduler.cancel([queued.run.id for queued in cancelled])
        return bool(queued or cancelled)

    def _runs(self, batch: list[RecordedEvent], *kinds: EventKind) -> list[QueuedRun]:
        """The runs of jobs that such an event happened to; a job never queued has none."""
        jobs = [(self.decode(it).job, it.traceparent) for it in batch if it.kind in kinds]
        return [QueuedRun(job, job.run, trace) for job, trace in jobs if job.run]


@dataclass(frozen=True)
class Follower:
    """Applies what the scheduler reports, each batch together with the cursor: exactly once."""

    writer: Writer[Any]
    scheduler: Scheduler
    reader: Reader

    async def run(self) -> None:
        """Follows the scheduler's log from the cursor on."""
        position = await self.reader.position(READER)
        async for reports, reached in gathered(self.scheduler.watch(position)):
            if reports:
                await self.writer.execute(ApplyReports(tuple(reports), reached))


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
    """The device types that the scheduler has, refreshed from time to time."""

    scheduler: Scheduler
    types: frozenset[str] = field(default_factory=frozenset)

    def known(self) -> frozenset[str]:
        """All names, or nothing while the scheduler has not been reached yet."""
        return self.types

    async def run(self) -> None:
        """Refreshes for ever."""
        while True:
            self.types = await self.scheduler.gpu_types()
            await asyncio.sleep(CATALOGUE_REFRESH_S)
