"""One group's view of the database: rows read once, writes buffered and sent together.

Commands of a group run one after the other over the same ``Transaction``. Each sees what the ones
before it wrote, though nothing has been sent yet; a command that fails is undone in memory and its
neighbours never notice. ``flush`` then sends one statement per table and kind of write, however
many commands wrote.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from servicekit.errors import Aborted
from servicekit.statements import VERSION, Key, Row, Statements, statements
from servicekit.values import Value

_MISSING: Any = object()


class StaleRow(Exception):
    """A guarded row was changed by somebody else since it was read; the group must run again."""


class Inseparable(Exception):
    """A command failed after its writes were sent with its neighbours'.

    Its cause is what it failed with.
    """


class Event(NamedTuple):
    """What happened to one subject, as a command appends it; the log gives it its revision.

    Attributes:
        at: microseconds since 1970, UTC.
        payload: the adapter's own encoding of the details.
    """

    kind: str
    subject: str
    payload: bytes
    at: int


class RecordedEvent(Value, frozen=True):
    """An event as its log holds it.

    Attributes:
        kind, subject, payload, at: as they were appended.
        revision: gap-free position in the log, from 1.
        traceparent: W3C trace context of the request that caused it, or empty.
        more: whether the same change goes on in the next event.
    """

    kind: str
    subject: str
    payload: bytes
    at: int
    revision: int
    traceparent: str
    more: bool


@dataclass(slots=True)
class _Changes:
    """What a group knows of one table: rows as they stand now, and which are still to be sent."""

    sql: Statements
    rows: dict[Key, Row | None] = field(default_factory=dict)
    inserted: dict[Key, Row] = field(default_factory=dict)
    updated: dict[Key, Row] = field(default_factory=dict)


class Transaction:
    """Buffered reads and writes of one group.

    Lives with the writer for one database transaction.
    """

    def __init__(
        self,
        connection: Connection,
        head: int,
        record: Callable[[Connection, list[RecordedEvent]], None],
    ) -> None:
        self._connection = connection
        self._head = head
        self._record = record
        self._tables: dict[sa.Table, _Changes] = {}
        self._events: list[tuple[Event, str, bool]] = []
        self._traceparent = ""
        self._undo: list[tuple[dict[Key, Any], Key, Any]] = []
        self._sent = False
        self.recorded: list[RecordedEvent] = []

    @property
    def next_revision(self) -> int:
        """The revision that the next event appended will have, unless its command fails."""
        return self._head + len(self._events) + 1

    def load(self, table: sa.Table, keys: Iterable[Key]) -> None:
        """Reads the rows of ``keys`` that the group does not know yet, all in one statement."""
        changes = self._changes(table)
        sql, rows = changes.sql, changes.rows
        missing = [key for key in dict.fromkeys(keys) if key not in rows]
        if not missing:
            return
        rows.update(dict.fromkeys(missing))
        for row in sql.select(self._connection, missing):
            rows[sql.key(row)] = row

    def get(self, table: sa.Table, key: Key) -> Row | None:
        """The row as the group sees it now, or None."""
        rows = self._changes(table).rows
        if key not in rows:
            self.load(table, (key,))
        return rows[key]

    def insert(self, table: sa.Table, row: Row) -> Row:
        """Adds a row, and returns it as the group sees it from now on.

        A duplicate that the group does not know of is refused by the database at flush.
        """
        changes = self._changes(table)
        key = changes.sql.key(row)
        if changes.rows.get(key) is not None:
            raise Aborted(f"{table.name} has the row already; read again and decide again.")
        if changes.sql.guarded:
            row = {**row, VERSION: 1}
        self._set(changes.rows, key, row)
        self._set(changes.inserted, key, row)
        return row

    def update(self, table: sa.Table, row: Row) -> Row:
        """Replaces a row that was read before, and returns it as the group sees it from now on.

        A table's ``version`` column guards the replacement.
        """
        changes = self._changes(table)
        key = changes.sql.key(row)
        before = self.get(table, key)
        if before is None:
            raise LookupError(f"{table.name} has no row {key!r} to update")
        row = {**before, **row}
        self._set(changes.rows, key, row)
        self._set(changes.inserted if key in changes.inserted else changes.updated, key, row)
        return row

    def append(self, *change: Event) -> None:
        """Appends the events of one change to the log, in the same transaction as the rows.

        Readers get the events of one change together, never some of them.
        """
        self._events += [(event, self._traceparent, event is not change[-1]) for event in change]

    def select(self, statement: sa.Select[Any]) -> Sequence[Row]:
        """Runs a query that a primary key cannot answer; what is buffered is sent first."""
        self.flush()
        return [dict(row) for row in self._connection.execute(statement).mappings()]

    def execute(self, statement: sa.Executable) -> int:
        """Runs a change of many rows in the database itself and returns how many it changed.

        What the group knew of rows is forgotten, because the statement may have changed them.
        """
        self.flush()
        self._tables.clear()
        self._sent = True
        return int(self._connection.execute(statement).rowcount)

    @contextmanager
    def savepoint(self, traceparent: str = "") -> Iterator[None]:
        """Undoes what the block buffered if it raises, and nothing of what came before it.

        Events appended inside carry ``traceparent``, the trace context of whoever asked for the
        change.

        Raises:
            Inseparable: the block raised after some of its writes had been sent.
        """
        self._undo.clear()
        self._sent = False
        self._traceparent = traceparent
        events = len(self._events)
        try:
            yield
        except Exception as error:
            if self._sent:
                raise Inseparable from error
            self._undo_buffered()
            del self._events[events:]
            raise

    def _undo_buffered(self) -> None:
        for target, key, before in reversed(self._undo):
            if before is _MISSING:
                del target[key]
            else:
                target[key] = before

    def flush(self) -> None:
        """Sends everything buffered: inserts, guarded updates, then the events and the head."""
        self._sent = self._sent or bool(self._undo)
        for table, changes in self._tables.items():
            self._flush_table(table.name, changes)
        if self._events:
            self._flush_events()

    def _flush_table(self, name: str, changes: _Changes) -> None:
        sql = changes.sql
        if changes.inserted:
            sql.insert(self._connection, list(changes.inserted.values()))
            changes.inserted.clear()
        if changes.updated:
            stale = len(changes.updated) - sql.update(
                self._connection, list(changes.updated.values())
            )
            if stale:
                raise StaleRow(f"{name}: {stale} rows changed since they were read")
            if sql.guarded:
                for key, row in changes.updated.items():
                    changes.rows[key] = {**row, VERSION: row[VERSION] + 1}
            changes.updated.clear()

    def _flush_events(self) -> None:
        recorded = [
            RecordedEvent(*event, revision, traceparent, more)
            for revision, (event, traceparent, more) in enumerate(self._events, self._head + 1)
        ]
        self._record(self._connection, recorded)
        self._head = recorded[-1].revision
        self.recorded += recorded
        self._events.clear()

    def _changes(self, table: sa.Table) -> _Changes:
        changes = self._tables.get(table)
        if changes is None:
            sql = statements(table, self._connection.dialect)
            changes = self._tables[table] = _Changes(sql)
        return changes

    def _set(self, target: dict[Key, Any], key: Key, value: Any) -> None:
        self._undo.append((target, key, target.get(key, _MISSING)))
        target[key] = value
