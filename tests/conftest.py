"""Fixtures that every kind of test shares: databases of both makes."""

from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from local.postgres import Postgres, PostgresMissing
from tests.canary import Leak, leaks, leaks_of_files
from tests.databases import EmptyDatabases
from tests.tokens import identities as identities

MOST_LEAKS = 20
LEAKS = pytest.StashKey[list[tuple[Path, Leak]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the lengths of tests that can go on for as long as one likes."""
    parser.addoption(
        "--mutations",
        type=int,
        default=2_000,
        help="mutated protobuf messages to send (default: 2000)",
    )
    parser.addoption(
        "--histories",
        type=int,
        default=200,
        help="random histories of the scheduling engine to live (default: 200)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test that has logged a secret."""
    report = yield
    if report.when == "teardown" and report.passed:
        logged = "\n".join(
            text for title, text in report.sections if "stderr" in title or "log" in title
        )
        found = list(islice(leaks(logged), MOST_LEAKS))
        if found:
            report.outcome = "failed"
            report.longrepr = "\n".join(["secrets in the log:", *map(str, found)])
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run in which another process has logged a secret."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or hasattr(session.config, "workerinput"):
        return
    found = list(islice(leaks_of_files(factory.getbasetemp()), MOST_LEAKS))
    session.config.stash[LEAKS] = found
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says which logs hold which secrets."""
    for path, leak in config.stash.get(LEAKS, []):
        terminalreporter.write_line(f"SECRET in {path}: {leak}", red=True)


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
