"""The ports of scheduler_service three times: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from scheduler_service.adapters.reader import SqlReader
from scheduler_service.adapters.tables import PLUMBING
from scheduler_service.adapters.unit import SqlUnitOfWork
from scheduler_service.application.ports import Reader
from servicekit import migrations
from servicekit.database import Database
from servicekit.eventlog import EventLog
from tests.databases import threaded
from tests.fakes.scheduler_service import FakeStore


@dataclass
class Store:
    """Both sides of the state: where it is changed, and where it is read."""

    writer: Any
    reader: Reader
    log: EventLog | None = None
    database: Database | None = None


@pytest.fixture(params=["fake", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each make."""
    if request.param == "fake":
        fake = FakeStore()
        yield Store(fake, fake)
        return
    async for opened in _opened(request.getfixturevalue(f"{request.param}_url")):
        yield opened


@pytest.fixture
async def database_store(database_url: str) -> AsyncIterator[Store]:
    """An empty store on each make of database."""
    async for opened in _opened(database_url):
        yield opened


async def _opened(url: str) -> AsyncIterator[Store]:
    migrations.upgrade("scheduler_service", url)
    database = Database(url)
    log = EventLog(database, PLUMBING)
    await log.open()
    writer = threaded(database, log, PLUMBING, SqlUnitOfWork)
    await writer.start()
    yield Store(writer, SqlReader(database), log, database)
    await writer.stop()
    await log.close()
    database.close()
