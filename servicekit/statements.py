"""The SQL that moves many rows of one table in one statement, written once per table.

A driver takes a thousand rows one step at a time, and gives up the interpreter's lock at each:
beside a busy event loop that costs more than the rows. Here the rows of a group go in one step, as
a list of VALUES on SQLite and as one array per column on PostgreSQL. Columns are plain (integers,
text, bytes, booleans), so values need no conversion. Names come from the tables' declarations,
never from data.

A statement that fails spoils its transaction, as it always does on PostgreSQL. SQLite would undo
the statement alone, and for that copies every page before changing it, a tenth of what a group
costs its writer; `OR FAIL` says that nobody will go on from there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

from servicekit.arrays import packed

Key = Any  # a primary key's value, or the tuple of values of a composite one
Row = dict[str, Any]

MOST_ROWS = 256
VERSION = "version"


class Statements:
    """One table's statements in one dialect."""

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        quote = dialect.identifier_preparer.quote
        self._by_rows = dialect.name == "sqlite"
        self._or_fail = " OR FAIL" if self._by_rows else ""
        self._table = quote(table.name)
        self._types = {column.name: column.type.compile(dialect) for column in table.columns}
        self._columns = tuple(self._types)
        self._key = tuple(column.name for column in table.primary_key)
        self._quoted = {name: quote(name) for name in self._columns}
        self._values = _getter(self._columns)
        self.key = itemgetter(*self._key)
        self.guarded = VERSION in self._columns

    def select(self, connection: Connection, keys: Sequence[Key]) -> Iterator[Row]:
        """The rows that have these keys."""
        for part in _parts(keys):
            values = part if len(self._key) > 1 else [(key,) for key in part]
            found = self._send(connection, self._select_text, self._key, values)
            for row in found.fetchall():
                yield dict(zip(self._columns, row, strict=True))

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Inserts rows, each with a value for every column."""
        for part in _parts(rows):
            values = [self._values(row) for row in part]
            self._send(connection, self._insert_text, self._columns, values)

    def update(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Replaces rows that still have the version that they carry, and counts how many had."""
        count = 0
        for part in _parts(rows):
            values = [self._values(row) for row in part]
            count += self._send(connection, self._update_text, self._columns, values).rowcount
        return count

    def add(self, connection: Connection, sums: Mapping[Key, Mapping[str, int]]) -> None:
        """Adds to numbers of rows, by key and column; a row that is missing begins at zero."""
        (name,) = self._key
        zeros = dict.fromkeys(self._columns, 0)
        rows = [self._values({**zeros, **numbers, name: key}) for key, numbers in sums.items()]
        for part in _parts(rows):
            self._send(connection, self._add_text, self._columns, part)

    def _send(
        self,
        connection: Connection,
        text: Callable[[int], str],
        names: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
    ) -> DBAPICursor:
        if self._by_rows:
            return send(connection, text(len(rows)), tuple(chain.from_iterable(rows)))
        columns = zip(names, zip(*rows, strict=True), strict=True)
        arrays = tuple(packed(self._types[name], values) for name, values in columns)
        return send(connection, text(0), arrays)

    @cache  # noqa: B019 - as many as there are tables, for as long as the process lives
    def _select_text(self, count: int) -> str:
        # A cross join keeps its order on SQLite: the few keys first, then their rows by index.
        columns = ", ".join(f"{self._table}.{quoted}" for quoted in self._quoted.values())
        matches = [
            f"{self._table}.{self._quoted[name]} = given.column{place}"
            for place, name in enumerate(self._key, 1)
        ]
        given = self._given(self._key, count)
        source = f"{given} CROSS JOIN {self._table}"
        return f"SELECT {columns} FROM {source} WHERE {' AND '.join(matches)}"

    @cache  # noqa: B019
    def _insert_text(self, count: int) -> str:
        columns = ", ".join(self._quoted.values())
        given = self._given(self._columns, count)
        return f"INSERT{self._or_fail} INTO {self._table} ({columns}) SELECT * FROM {given}"

    @cache  # noqa: B019
    def _add_text(self, count: int) -> str:
        key = ", ".join(self._quoted[name] for name in self._key)
        changes = ", ".join(
            f"{quoted} = {self._table}.{quoted} + excluded.{quoted}"
            for name, quoted in self._quoted.items()
            if name not in self._key
        )
        # Without the WHERE, SQLite would take ON for the beginning of a join's condition.
        return f"{self._insert_text(count)} WHERE true ON CONFLICT ({key}) DO UPDATE SET {changes}"

    @cache  # noqa: B019
    def _update_text(self, count: int) -> str:
        new = {name: f"given.column{place}" for place, name in enumerate(self._columns, 1)}
        changes = [
            f"{quoted} = {new[name]}{' + 1' if name == VERSION else ''}"
            for name, quoted in self._quoted.items()
            if name not in self._key
        ]
        matches = [
            f"{self._table}.{quoted} = {new[name]}"
            for name, quoted in self._quoted.items()
            if name in self._key or name == VERSION
        ]
        return (
            f"UPDATE{self._or_fail} {self._table} SET {', '.join(changes)} "
            f"FROM {self._given(self._columns, count)} WHERE {' AND '.join(matches)}"
        )

    def _given(self, names: Sequence[str], count: int) -> str:
        """The rows that are sent along, as a table called given with columns column1 and so on."""
        if self._by_rows:
            row = f"({', '.join('?' * len(names))})"
            return f"(VALUES {', '.join([row] * count)}) AS given"
        arrays = ", ".join(f"%s::{self._types[name]}[]" for name in names)
        columns = ", ".join(f"column{place}" for place in range(1, len(names) + 1))
        return f"unnest({arrays}) AS given({columns})"


def send(connection: Connection, text: str, values: Sequence[Any] = ()) -> DBAPICursor:
    """Sends a text in the driver's own dialect and returns the driver's cursor.

    What SQLAlchemy makes of a statement and its result took longer than the statement itself; its
    connection, its transaction and its errors stay.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    cursor = connection.connection.cursor()
    dialect = connection.dialect
    errors: Any = dialect.loaded_dbapi.Error
    try:
        cursor.execute(text, values)
    except errors as error:
        lost = dialect.is_disconnect(error, connection.connection, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, errors, True, connection_invalidated=lost, dialect=dialect
        ) from error
    return cursor


@cache
def statements(table: sa.Table, dialect: sa.Dialect) -> Statements:
    """The table's statements in a connection's dialect."""
    return Statements(table, dialect)


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), MOST_ROWS):
        yield items[start : start + MOST_ROWS]


def _getter(names: Sequence[str]) -> Any:
    """A function that gives a row's values in the order of the names, always as a tuple."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)
