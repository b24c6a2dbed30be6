"""The ports of job_service three times: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from job_service.adapters.reader import SqlReader
from job_service.adapters.tables import PLUMBING
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.ports import Reader, UnitOfWork
from job_service.config import Settings
from job_service.domain.job import Change
from servicekit import migrations
from servicekit.clock import SystemClock
from servicekit.config import WriterHost
from servicekit.storage import Storage, opened
from tests.fakes.job_service import FakeStore


class Changes(Protocol):
    """Where commands run."""

    async def execute(self, command: Any) -> Any:
        """Runs one."""


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
    """Both sides of jobs and quota: where they are changed, and where they are read."""

    changes: Changes
    reader: Reader
    storage: Storage[SqlUnitOfWork] | None = None

    async def do(self, work: Callable[[UnitOfWork], Any]) -> Any:
        """Does something in a transaction of its own."""
        return await self.changes.execute(Do(work))

    async def run(self, command: Any) -> Any:
        """Runs a command in a transaction of its own."""
        return await self.changes.execute(command)

    async def add(self, *changes: Change) -> None:
        """Stores new jobs with their events, each in a transaction of its own."""
        for change in changes:
            await self.do(lambda unit, it=change: _add(unit, it))  # type: ignore[misc]


@asynccontextmanager
async def sql_store(url: str) -> AsyncIterator[Store]:
    """A store on a migrated database."""
    clock = SystemClock()
    settings = Settings(database_url=url, writer=WriterHost.THREAD)
    async with opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage:
        yield Store(storage.writer, SqlReader(storage.database), storage)


@pytest.fixture(params=["fake", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each make."""
    if request.param == "fake":
        fake = FakeStore()
        yield Store(fake, fake)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrations.upgrade("job_service", url)
    async with sql_store(url) as store:
        yield store


@pytest.fixture
async def database_store(database_url: str) -> AsyncIterator[Store]:
    """An empty store of each make of database."""
    migrations.upgrade("job_service", database_url)
    async with sql_store(database_url) as store:
        yield store


def _add(unit: UnitOfWork, change: Change) -> None:
    unit.jobs.add(change.job)
    unit.events.append([change.event])
