"""Fixtures that every kind of test shares: databases of both makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.postgres import Postgres, PostgresMissing
from tests.databases import EmptyDatabases
from tests.tokens import identities as identities


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of what could go on for ever is done."""
    parser.addoption(
        "--histories", type=int, default=200, help="random histories of the scheduling engine"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for this test run, on a free port; stopped however the run ends."""
    try:
        server = Postgres()
    except PostgresMissing as missing:
        # A failure and not a skip: half of the promises are about PostgreSQL.
        pytest.fail(str(missing), pytrace=False)
    with server:
        yield server


@pytest.fixture(scope="session")
def empty_databases(postgres: Postgres) -> EmptyDatabases:
    """The server's databases that no test is using."""
    return EmptyDatabases(postgres)


@pytest.fixture
def postgres_url(empty_databases: EmptyDatabases) -> Iterator[str]:
    """URL of an empty PostgreSQL database that is this test's own."""
    name = empty_databases.take()
    yield empty_databases.server.url(name)
    empty_databases.give_back(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database, once of each make: what must hold on both takes this fixture."""
    # Asked for by name, so that a run of the SQLite half starts no server.
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
