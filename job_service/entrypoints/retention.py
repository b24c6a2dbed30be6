"""The loop that keeps the database from growing with what is over."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from job_service.application.commands.retention import ArchiveJobs, ForgetDeadLetters, TrimLog
from job_service.application.commands.webhooks import READER
from job_service.application.ports import Reader
from job_service.entrypoints.loops import FORWARD
from servicekit.clock import Clock
from servicekit.eventlog import EventLog
from servicekit.writer import Writer

JOBS_AT_ONCE, EVENTS_AT_ONCE, LETTERS_AT_ONCE = 200, 1_000, 200


@dataclass(frozen=True)
class Retention:
    """Archives finished jobs, and deletes events and dead letters, that are old enough.

    In portions, so that nobody's change waits long behind them.
    """

    log: EventLog
    writer: Writer[Any]
    reader: Reader
    clock: Clock
    keep_jobs: timedelta
    keep_events: timedelta
    every: timedelta = timedelta(minutes=10)

    async def run(self) -> None:
        """Looks from time to time."""
        while True:
            await self._archive_jobs()
            await self._trim_log()
            await self._forget_dead_letters()
            await asyncio.sleep(self.every.total_seconds())

    async def _archive_jobs(self) -> None:
        before = self.clock.now() - self.keep_jobs
        while ids := await self.reader.archivable(before, JOBS_AT_ONCE):
            if not await self.writer.execute(ArchiveJobs(tuple(ids), before)):
                return

    async def _trim_log(self) -> None:
        """Only what the service's own loops have read: no event may be lost to them."""
        before, read = self.clock.now() - self.keep_events, await self._read_by_all()
        while revision := min(await self.reader.trimmable(before, EVENTS_AT_ONCE), read):
            await self.writer.execute(TrimLog(revision))
            if revision == read:
                return

    async def _read_by_all(self) -> int:
        position = await self.reader.position(FORWARD)
        read = self.log.revision(position) if position else 0
        if await self.reader.webhooks("", None, 1):
            read = min(read, int(await self.reader.position(READER) or 0))
        return read

    async def _forget_dead_letters(self) -> None:
        forget = ForgetDeadLetters(self.clock.now() - self.keep_events, LETTERS_AT_ONCE)
        while await self.writer.execute(forget) == LETTERS_AT_ONCE:
            pass
