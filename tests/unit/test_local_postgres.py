"""The PostgreSQL server that tests and benches start for themselves."""

import signal
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from local import postgres as module
from local.postgres import Postgres, PostgresFailed, PostgresMissing
from tests.databases import EmptyDatabases


def ask(url: str, question: str) -> object:
    """Runs one query on a connection of its own and returns the single value."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sqlalchemy.text(question))
        return result.scalar() if result.returns_rows else None


def test_every_commit_reaches_the_disk(postgres: Postgres) -> None:
    """Durability is what production has, or durability tests would prove nothing."""
    assert "on" == ask(postgres.url(), "SHOW fsync")
    assert "on" == ask(postgres.url(), "SHOW synchronous_commit")


def test_created_databases_are_apart(postgres: Postgres) -> None:
    """A table made in one database is not seen in another."""
    first, second = postgres.create_database(), postgres.create_database()
    ask(first, "CREATE TABLE here (id int)")

    assert 1 == ask(first, "SELECT count(*) FROM pg_tables WHERE tablename = 'here'")
    assert 0 == ask(second, "SELECT count(*) FROM pg_tables WHERE tablename = 'here'")


def test_a_database_given_back_comes_out_empty(postgres: Postgres) -> None:
    """What a test left, an open session included, is gone for the next one."""
    databases = EmptyDatabases(postgres)
    name = databases.take()
    left_open = psycopg.connect(
        host=str(postgres.folder), port=postgres.port, user=module.SUPERUSER, dbname=name
    )
    left_open.execute("CREATE TABLE left_behind (id int)")

    databases.give_back(name)

    assert name == databases.take()
    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'left_behind'"
    assert 0 == ask(postgres.url(name), tables)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_committed_rows_survive_stop_and_start(how: signal.Signals) -> None:
    """The server can be taken away and brought back at the same URL, cleanly or by a crash."""
    with Postgres() as server:
        url = server.create_database("kept")
        ask(url, "CREATE TABLE answer AS SELECT 42 AS value")

        server.stop(how)
        with pytest.raises(OperationalError):
            ask(url, "SELECT 1")
        server.start()

        assert 42 == ask(url, "SELECT value FROM answer")
    assert not server.folder.exists()


def test_a_role_with_a_password_logs_in_over_tcp(postgres: Postgres) -> None:
    """TCP asks for the password; a wrong one is refused."""
    ask(postgres.url(), "CREATE ROLE visitor LOGIN PASSWORD 'right'")
    url = f"postgresql+psycopg://visitor:%s@127.0.0.1:{postgres.port}/postgres"

    assert "visitor" == ask(url % "right", "SELECT current_user")
    with pytest.raises(OperationalError, match="password authentication failed"):
        ask(url % "wrong", "SELECT 1")


def test_a_server_that_cannot_start_says_why() -> None:
    """The message carries the server's own words, and nothing stays behind."""
    server = Postgres({"shared_buffers": "nonsense"})

    with pytest.raises(PostgresFailed, match='invalid value for parameter "shared_buffers"'):
        server.__enter__()

    assert not server.folder.exists()


def test_missing_programs_are_named_with_their_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever lacks PostgreSQL reads what to install and which setting points elsewhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(module.BINARIES_SETTING, raising=False)
    monkeypatch.setattr(module, "installed_folders", lambda: iter(()))

    with pytest.raises(PostgresMissing, match="apt-get install postgresql") as caught:
        module.find_binaries()

    assert module.BINARIES_SETTING in str(caught.value)


def test_a_named_folder_comes_before_all_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The setting decides where several versions are installed."""
    for program in ("postgres", "initdb"):
        (tmp_path / program).touch()
    monkeypatch.setenv(module.BINARIES_SETTING, str(tmp_path))

    assert tmp_path == module.find_binaries()
