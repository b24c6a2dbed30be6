"""A service's database, log and writer, opened together and kept in shape while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Generic, TypeVar

from servicekit import migrations
from servicekit.clock import Clock, to_micros
from servicekit.commits import Commits
from servicekit.config import ServiceSettings, WriterHost
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.idempotency import RemembersRequests
from servicekit.loops import looping
from servicekit.tables import Plumbing
from servicekit.transaction import Transaction
from servicekit.writer import Writer
from servicekit.writer_hosts import Assignment, Host, InProcess, InThread

U = TypeVar("U", bound=RemembersRequests)

HOUSEKEEPING = timedelta(minutes=10)
FORGET_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Storage(Generic[U]):
    """What a service reads from, follows, and changes through."""

    database: Database
    log: EventLog
    writer: Writer[U]


@asynccontextmanager
async def opened(
    package: str,
    settings: ServiceSettings,
    tables: Plumbing,
    unit: Callable[[Transaction], U],
    clock: Clock,
) -> AsyncIterator[Storage[U]]:
    """Opens the storage of a service; answers to requests are forgotten when their time is over.

    Raises:
        ConfigurationError: the database has not been migrated.
    """
    async with AsyncExitStack() as closing:
        database = Database(settings.database_url)
        closing.callback(database.close)
        migrations.require_newest(package, database)
        log = EventLog(database, tables)
        await log.open()
        closing.push_async_callback(log.close)
        writer: Writer[U] = Writer(log, _host(package, settings, database, tables, unit))
        await writer.start()
        closing.push_async_callback(writer.stop)
        forgetting = looping({"forget": lambda: _forget(writer, clock)})
        await closing.enter_async_context(forgetting)
        yield Storage(database, log, writer)


def _host(
    package: str,
    settings: ServiceSettings,
    database: Database,
    tables: Plumbing,
    unit: Callable[[Transaction], U],
) -> Host:
    if settings.writer is WriterHost.THREAD:
        return InThread(Commits(database, tables, unit))
    return InProcess(
        Assignment(package, settings.database_url, settings.failpoints, settings.log_level)
    )


@dataclass(frozen=True, slots=True)
class ForgetRequests:
    """Deletes some answers to requests whose time was over at ``now``, in microseconds."""

    name: ClassVar[str] = "requests.forget"
    now: int

    def run(self, unit: RemembersRequests) -> int:
        """How many were forgotten."""
        return unit.requests.forget(self.now, FORGET_AT_ONCE)


async def _forget(writer: Writer[U], clock: Clock) -> None:
    """In portions, so that nobody's change waits long behind them."""
    while True:
        while await writer.execute(ForgetRequests(to_micros(clock.now()))) == FORGET_AT_ONCE:
            pass
        await asyncio.sleep(HOUSEKEEPING.total_seconds())
