"""The ports of auth_service three times: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from auth_service.adapters.reader import SqlDirectory
from auth_service.adapters.tables import PLUMBING
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.application.ports import Changes, Directory
from servicekit import migrations
from servicekit.database import Database
from servicekit.eventlog import EventLog
from tests.databases import threaded
from tests.fakes.auth_service import FakeStore


@dataclass
class Store:
    """Both sides of the users: where they are changed, and where they are read."""

    changes: Changes
    directory: Directory
    log: EventLog | None = None


@pytest.fixture(params=["fake", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each make."""
    if request.param == "fake":
        fake = FakeStore()
        yield Store(fake, fake)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrations.upgrade("auth_service", url)
    database = Database(url)
    log = EventLog(database, PLUMBING)
    await log.open()
    writer = threaded(database, log, PLUMBING, SqlUnitOfWork)
    await writer.start()
    yield Store(writer, SqlDirectory(database), log)
    await writer.stop()
    await log.close()
    database.close()
