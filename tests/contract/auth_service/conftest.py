"""The ports of auth_service three times: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from auth_service.adapters.reader import SqlCredentials, SqlDirectory
from auth_service.adapters.records import SqlAuditLog, SqlKeys
from auth_service.adapters.tables import PLUMBING
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.application.ports import (
    AuditLog,
    Changes,
    Credentials,
    Directory,
    Keys,
    UnitOfWork,
)
from servicekit import migrations
from servicekit.database import Database
from servicekit.eventlog import EventLog
from tests.databases import threaded
from tests.fakes.auth_service import FakeStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Do:
    """A command that does whatever a test says."""

    work: Callable[[UnitOfWork], Any]
    name: str = "test"

    def run(self, unit: UnitOfWork) -> Any:
        """Does it."""
        return self.work(unit)


@dataclass
class Store:
    """Both sides of the records: where they are changed, and where they are read."""

    changes: Changes
    directory: Directory
    credentials: Credentials
    audit: AuditLog
    keys: Keys
    log: EventLog | None = None
    database: Database | None = None

    async def do(self, work: Callable[[UnitOfWork], T]) -> T:
        """Does something in a transaction of its own."""
        answer: T = await self.changes.execute(Do(work))
        return answer


@pytest.fixture(params=["fake", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each make."""
    if request.param == "fake":
        fake = FakeStore()
        yield Store(fake, fake, fake, fake, fake)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrations.upgrade("auth_service", url)
    database = Database(url)
    log = EventLog(database, PLUMBING)
    await log.open()
    writer = threaded(database, log, PLUMBING, SqlUnitOfWork)
    await writer.start()
    yield Store(
        writer,
        SqlDirectory(database),
        SqlCredentials(database),
        SqlAuditLog(database),
        SqlKeys(database),
        log,
        database,
    )
    await writer.stop()
    await log.close()
    database.close()
