"""What a database is set to before anything is promised, and what its readers may not do."""

import pytest
import sqlalchemy as sa

from servicekit.database import Database
from servicekit.errors import Unavailable
from tests.contract.servicekit.conftest import COUNTERS, Add, Service


async def test_a_commit_is_on_disk_before_it_returns(service: Service) -> None:
    """SQLite syncs its log at every commit (FULL, not NORMAL); PostgreSQL waits for its own."""
    with service.database.writing.connect() as connection:
        if service.database.is_sqlite:
            pragmas = ("journal_mode", "synchronous", "busy_timeout")
            settings = [connection.exec_driver_sql(f"PRAGMA {it}").scalar() for it in pragmas]
            assert settings == ["wal", 2, 10_000]
        else:
            names = ("synchronous_commit", "fsync")
            settings = [connection.exec_driver_sql(f"SHOW {it}").scalar() for it in names]
            assert settings == ["on", "on"]


async def test_readers_cannot_write(service: Service) -> None:
    """A query that tries to write is refused by the database itself."""
    row = {"id": "a", "value": 1, "label": None, "version": 1}

    with pytest.raises(Unavailable):
        await service.database.read(lambda connection: connection.execute(COUNTERS.insert(), row))
    assert await service.values() == {}


async def test_readers_do_not_wait_for_the_writer(service: Service) -> None:
    """While a change is open and not committed, others read what was there before."""
    await service.writer.execute(Add("a", 1))
    with service.database.writing.begin() as connection:
        connection.execute(COUNTERS.update().values(value=2))
        seen = await service.values()
        connection.rollback()

    assert seen == {"a": 1}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_lost_connection_is_replaced(service: Service) -> None:
    """Reader and writer go on when the server drops their connections; the change is made once."""
    await service.writer.execute(Add("a", 1))
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await service.database.read(lambda connection: connection.execute(sa.text(kill)).all())

    assert await service.values() == {"a": 1}
    assert await service.writer.execute(Add("a", 1)) == 2


async def test_an_unreachable_database_is_unavailable() -> None:
    """The failure names no host and no password."""
    database = Database("postgresql+psycopg://someone:secret@127.0.0.1:1/none")

    with pytest.raises(Unavailable) as refused:
        await database.read(lambda connection: connection.execute(sa.text("SELECT 1")))
    assert "secret" not in refused.value.message
    database.close()
