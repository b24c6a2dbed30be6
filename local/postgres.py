"""A PostgreSQL server of its own: a fresh cluster in a temporary folder, gone when closed.

Durability is as in production (fsync and synchronous_commit stay on). Connections come in by a
Unix socket in a folder that only this user enters, without a password, or by TCP on 127.0.0.1 with
one, for roles that have one.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from local.ports import free_port
from local.processes import await_end, last_lines, spawn

BINARIES_SETTING = "GPUAAS_POSTGRES_BIN"
SUPERUSER = "gpuaas"
START_TIMEOUT_S = 120.0


class PostgresMissing(RuntimeError):
    """No PostgreSQL server programs on this machine; the message says what to install."""


class PostgresFailed(RuntimeError):
    """The server did not start; the message ends with its log."""


class Postgres:
    """One running cluster. A context manager: started on entry, stopped and removed on exit."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Prepares a cluster; `settings` are postgresql.conf settings that differ from defaults."""
        self._binaries = find_binaries()
        self._settings = {"max_connections": "300", **(settings or {})}
        self._owner = unprivileged_owner()
        # Not below pytest's folder, which another user may not enter; short, as a socket's path.
        self.folder = Path(tempfile.mkdtemp(prefix="gpuaas-pg-"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._initialised = False

    def __enter__(self) -> Self:
        """Makes the cluster and starts it."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the server and removes the cluster."""
        self.close()

    def start(self) -> None:
        """Starts the server, making the cluster the first time; returns when it answers."""
        if not self._initialised:
            self._initialise()
        settings = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
        }
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        self._process = spawn(
            [str(self._binaries / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            owner=self._owner,
            at_parents_death=signal.SIGQUIT,
        )
        self._await_answer(self._process)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops the server; data stay.

        Args:
            how: SIGINT ends sessions and shuts down cleanly, SIGQUIT stops as a crash would.
        """
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            await_end(process, grace=20.0)

    def close(self) -> None:
        """Stops the server and removes everything it stored."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Returns the SQLAlchemy URL of a database, as superuser over the Unix socket."""
        return f"postgresql+psycopg://{SUPERUSER}@/{database}?host={self.folder}&port={self.port}"

    def create_database(self, name: str | None = None) -> str:
        """Creates an empty database, named at random by default, and returns its URL."""
        name = name or f"t_{secrets.token_hex(6)}"
        # template0 is never connected to, so that creations need not wait for one another.
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)),
        )
        return self.url(name)

    def empty_database(self, name: str) -> None:
        """Ends every session of the database and drops all it holds; cheaper than another."""
        self.execute(
            sql.SQL(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}"
            ).format(sql.Literal(name)),
        )
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            self.execute(sql.SQL(statement), database=name)

    def execute(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> None:
        """Runs one statement as superuser, outside any transaction."""
        with psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
        ) as connection:
            connection.execute(statement)

    def _initialise(self) -> None:
        if self._owner is not None:
            os.chown(self.folder, *self._owner)
        process = spawn(
            [
                str(self._binaries / "initdb"),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",  # only the empty cluster; the server itself syncs
                "--no-instructions",
            ],
            log=self.log,
            owner=self._owner,
        )
        if process.wait() != 0:
            raise PostgresFailed(f"initdb failed:\n{last_lines(self.log)}")
        self._initialised = True

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self.execute(sql.SQL("SELECT 1"))
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = last_lines(self.log)
                    raise PostgresFailed(f"PostgreSQL did not start: {error}\n{said}") from error
            time.sleep(0.02)


def find_binaries() -> Path:
    """Returns the folder with `postgres` and `initdb`: a setting, PATH, or where Debian keeps them.

    Raises:
        PostgresMissing: there is none.
    """
    named = os.environ.get(BINARIES_SETTING)
    on_path = shutil.which("initdb")
    candidates = [
        *([Path(named)] if named else []),
        *([Path(on_path).resolve().parent] if on_path else []),
        *installed_folders(),
    ]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresMissing(
        "PostgreSQL's server programs are not on this machine. On Debian and Ubuntu: "
        "apt-get install postgresql. Installed elsewhere? Name the folder that holds initdb "
        f"in {BINARIES_SETTING}."
    )


def installed_folders() -> Iterator[Path]:
    """Yields where packages keep the server programs, Debian's newest version first."""
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=major_version, reverse=True)
    yield from Path("/opt/homebrew/opt").glob("postgresql*/bin")


def major_version(binaries: Path) -> int:
    """Returns 15 for /usr/lib/postgresql/15/bin."""
    return int(binaries.parent.name) if binaries.parent.name.isdigit() else 0


def unprivileged_owner() -> tuple[int, int] | None:
    """Returns whom the server runs as when this is root, whom it refuses; None otherwise."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise PostgresMissing(
        "PostgreSQL does not run as root, and there is no user postgres or nobody"
    )
