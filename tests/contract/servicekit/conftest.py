"""A small service of counters, to hold the plumbing to its promises on every database."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import sqlalchemy as sa

from servicekit.database import Database
from servicekit.errors import FailedPrecondition
from servicekit.eventlog import EventLog
from servicekit.idempotency import Requests
from servicekit.tables import plumbing
from servicekit.transaction import Event, Transaction
from servicekit.writer import Writer
from tests.databases import threaded

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)
COUNTERS = sa.Table(
    "counters",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, unique=True),
    sa.Column("version", sa.Integer, nullable=False),
)
TALLIES = sa.Table(
    "tallies",
    METADATA,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("even", sa.BigInteger, nullable=False),
    sa.Column("odd", sa.BigInteger, nullable=False),
)


class Unit:
    """The counters' unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.requests = Requests(transaction, PLUMBING)


@dataclass(frozen=True, slots=True)
class Add:
    """Adds to a counter, making it if need be; refuses to go below zero, after having written."""

    name: ClassVar[str] = "counter.add"
    counter: str
    amount: int
    label: str | None = None

    def run(self, unit: Unit) -> int:
        """The counter's new value."""
        row = unit.transaction.get(COUNTERS, self.counter)
        value = self.amount + (row["value"] if row else 0)
        if row is None:
            unit.transaction.insert(
                COUNTERS, {"id": self.counter, "value": value, "label": self.label}
            )
        else:
            unit.transaction.update(COUNTERS, {"id": self.counter, "value": value})
        unit.transaction.append(
            Event("counter.added", self.counter, str(self.amount).encode(), at=1)
        )
        if value < 0:
            raise FailedPrecondition("a counter does not go below zero")
        return value


@dataclass(frozen=True, slots=True)
class AddTooMuch:
    """Writes a number that no column can hold, which only the flush finds out."""

    name: ClassVar[str] = "counter.overflow"
    counter: str
    value: int = 2**80

    def run(self, unit: Unit) -> int:
        """Returns before anything was sent, without having looked for the row."""
        row = {"id": self.counter, "value": self.value, "label": None}
        unit.transaction.insert(COUNTERS, row)
        return 0


@dataclass(frozen=True, slots=True)
class SelectThenRefuse:
    """Writes, makes the transaction send what was written, and only then refuses."""

    name: ClassVar[str] = "counter.spoil"
    counter: str

    def run(self, unit: Unit) -> int:
        """Never returns."""
        Add(self.counter, 1).run(unit)
        unit.transaction.select(sa.select(COUNTERS))
        raise FailedPrecondition("too late")


@dataclass(frozen=True, slots=True)
class Tally:
    """Adds to numbers of a row without looking for it, and refuses afterwards if told to."""

    name: ClassVar[str] = "tally.add"
    scope: str
    even: int = 0
    odd: int = 0
    refuses: bool = False

    def run(self, unit: Unit) -> None:
        """Adds to both numbers."""
        unit.transaction.add(TALLIES, self.scope, "even", self.even)
        unit.transaction.add(TALLIES, self.scope, "odd", self.odd)
        if self.refuses:
            raise FailedPrecondition("not to be counted")


@dataclass
class Service:
    """What a test holds in its hands."""

    database: Database
    log: EventLog
    writer: Writer[Unit]

    async def values(self) -> dict[str, int]:
        """Every counter as the database holds it."""
        rows = await self.database.read(
            lambda connection: connection.execute(sa.select(COUNTERS)).all()
        )
        return {row.id: row.value for row in rows}

    async def tallies(self) -> dict[str, tuple[int, int]]:
        """Every tally as the database holds it."""
        rows = await self.database.read(
            lambda connection: connection.execute(sa.select(TALLIES)).all()
        )
        return {row.scope: (row.even, row.odd) for row in rows}


@pytest.fixture
async def open_service(database_url: str) -> AsyncIterator[Callable[[], object]]:
    """Opens services, replicas of each other, on one database."""
    opened: list[Service] = []

    async def open_one() -> Service:
        database = Database(database_url)
        METADATA.create_all(database.writing)
        log = EventLog(database, PLUMBING)
        await log.open()
        writer = threaded(database, log, PLUMBING, Unit)
        await writer.start()
        opened.append(Service(database, log, writer))
        return opened[-1]

    yield open_one
    for service in opened:
        await service.writer.stop()
        await service.log.close()
        service.database.close()


@pytest.fixture
async def service(open_service: Callable[[], object]) -> Service:
    """One service on an empty database."""
    return await open_service()  # type: ignore[misc, no-any-return]
