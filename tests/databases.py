"""Lends empty PostgreSQL databases to tests, and writers that work in a thread of the test."""

from collections.abc import Callable
from typing import Any

from local.postgres import Postgres
from servicekit.commits import Commits
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.tables import Plumbing
from servicekit.transaction import Transaction
from servicekit.writer import Writer
from servicekit.writer_hosts import InThread


def threaded(
    database: Database, log: EventLog, tables: Plumbing, unit: Callable[[Transaction], Any]
) -> Writer[Any]:
    """Returns a writer, not yet started, that commits in a thread of this process."""
    return Writer(log, InThread(Commits(database, tables, unit)))


class EmptyDatabases:
    """A pool of databases; one that comes back is emptied, which costs a third of a new one."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._free: list[str] = []
        self._made = 0

    def take(self) -> str:
        """Returns the name of a database that holds nothing and that nobody else has."""
        if self._free:
            return self._free.pop()
        self._made += 1
        name = f"test_{id(self):x}_{self._made}"
        self.server.create_database(name)
        return name

    def give_back(self, name: str) -> None:
        """Ends the sessions that a test left open and empties the database."""
        self.server.empty_database(name)
        self._free.append(name)
