"""Lends empty PostgreSQL databases to tests."""

from local.postgres import Postgres


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
        name = f"test_{self._made}"
        self.server.create_database(name)
        return name

    def give_back(self, name: str) -> None:
        """Ends the sessions that a test left open and empties the database."""
        self.server.empty_database(name)
        self._free.append(name)
