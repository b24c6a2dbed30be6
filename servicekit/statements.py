"""The SQL that moves many rows of one table in few statements, written once per table.

A driver takes a thousand rows one step at a time, and gives up the interpreter's lock at each:
beside a busy event loop that costs more than the rows. Here up to ``MOST_ROWS`` rows go in one
step. Columns are plain (integers, text, bytes, booleans): values need no conversion on the way.
Names come from the tables' declarations, never from data.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Key = Any  # a primary key's value, or the tuple of values of a composite one
Row = dict[str, Any]

MOST_ROWS = 128
VERSION = "version"


class Statements:
    """One table's statements in one dialect."""

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        quote = dialect.identifier_preparer.quote
        self._dialect = dialect
        self._table = quote(table.name)
        self._types = {column.name: column.type.compile(dialect) for column in table.columns}
        self._columns = list(self._types)
        self._quoted = [quote(name) for name in self._columns]
        self._key = [column.name for column in table.primary_key]
        self._key_quoted = [quote(name) for name in self._key]
        self._values = _getter(self._columns)
        self.key = itemgetter(*self._key)
        self.guarded = VERSION in self._columns

    def select(self, connection: Connection, keys: Sequence[Key]) -> Iterator[Row]:
        """The rows that have these keys."""
        for part in _parts(keys):
            values = part if len(self._key) == 1 else chain.from_iterable(part)
            found = connection.exec_driver_sql(self._select_text(len(part)), tuple(values))
            for row in found.all():
                yield dict(zip(self._columns, row, strict=True))

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Inserts rows, each with a value for every column."""
        for part in _parts(rows):
            values = chain.from_iterable(map(self._values, part))
            connection.exec_driver_sql(self._insert_text(len(part)), tuple(values))

    def update(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Replaces rows that still have the version that they carry, and counts how many had."""
        changed = 0
        for part in _parts(rows):
            values = chain.from_iterable(map(self._values, part))
            sent = connection.exec_driver_sql(self._update_text(len(part)), tuple(values))
            changed += sent.rowcount
        return changed

    @cache  # noqa: B019 - as many as there are tables, for as long as the process lives
    def _select_text(self, count: int) -> str:
        key = ", ".join(self._key_quoted)
        return (
            f"SELECT {', '.join(self._quoted)} FROM {self._table} "
            f"WHERE ({key}) IN (VALUES {self._marks(self._key, count)})"
        )

    @cache  # noqa: B019
    def _insert_text(self, count: int) -> str:
        columns = ", ".join(self._quoted)
        return f"INSERT INTO {self._table} ({columns}) VALUES {self._marks(self._columns, count)}"

    @cache  # noqa: B019
    def _update_text(self, count: int) -> str:
        # Both databases call the columns of VALUES column1, column2 and so on.
        given = {name: f"given.column{place}" for place, name in enumerate(self._columns, 1)}
        changes = [
            f"{quoted} = {given[name]}{' + 1' if name == VERSION else ''}"
            for name, quoted in zip(self._columns, self._quoted, strict=True)
            if name not in self._key
        ]
        matches = [
            f"{self._table}.{quoted} = {given[name]}"
            for name, quoted in zip(self._columns, self._quoted, strict=True)
            if name in self._key or name == VERSION
        ]
        return (
            f"UPDATE {self._table} SET {', '.join(changes)} "
            f"FROM (VALUES {self._marks(self._columns, count)}) AS given "
            f"WHERE {' AND '.join(matches)}"
        )

    def _marks(self, names: Sequence[str], count: int) -> str:
        """Placeholders of rows; PostgreSQL does not guess the types of VALUES, and is told."""
        if self._dialect.name == "sqlite":
            marks = ["?"] * len(names)
        else:
            marks = [f"%s::{self._types[name]}" for name in names]
        return ", ".join([f"({', '.join(marks)})"] * count)


@cache
def statements(table: sa.Table, dialect: sa.Dialect) -> Statements:
    """The table's statements in a connection's dialect."""
    return Statements(table, dialect)


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Parts whose lengths are powers of two: so few lengths that drivers keep them all prepared."""
    start = 0
    while left := len(items) - start:
        size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
        yield items[start : start + size]
        start += size


def _getter(names: Sequence[str]) -> Any:
    """A function that gives a row's values in the order of the names, always as a tuple."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)
