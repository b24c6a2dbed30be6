"""One group's view of the database: rows read once, writes buffered and sent together.

Commands of a group run one after the other over the same ``Transaction``. Each sees what the ones
before it wrote, though nothing has been sent yet; a command that fails is undone in memory and its
neighbours never notice. ``flush`` then sends one statement per table and kind of write, however
many commands wrote.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from servicekit.errors import Aborted
from servicekit.statements import VERSION, Key, Row, Statements, statements
from servicekit.values import Value

T = TypeVar("T")

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
    """What a group knows of one table: rows as they stand now, and which are still to be sent.

    Attributes:
        unsent: the keys of rows to be sent, and whether the database has no such row yet.
        added: what is to be added to numbers of rows, by key and column.
    """

    sql: Statements
    rows: dict[Key, Row | None] = field(default_factory=dict)
    unsent: dict[Key, bool] = field(default_factory=dict)
    added: dict[tuple[Key, str], int] = field(default_factory=dict)

    def written(self, *, new: bool) -> dict[Key, Row]:
        """The rows to be sent that are new to the database, or those that are not."""
        keys = [key for key, is_new in self.unsent.items() if is_new is new]
        return {key: row for key in keys if (row := self.rows[key])}


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
        self._set(changes.unsent, key, True)
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
        if key not in changes.unsent:
            self._set(changes.unsent, key, False)
        return row

    def add(self, table: sa.Table, key: Key, column: str, number: int) -> None:
        """Adds to a number of a row, which is made with zeros if there is none.

        Nothing is read for that: the group sees the sum only where it selects. The table has
        numbers beside its key, and no version.
        """
        added = self._changes(table).added
        self._set(added, (key, column), added.get((key, column), 0) + number)

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

    def attempt(self, run: Callable[[], T], traceparent: str = "") -> T:
        """Runs a command; if it raises, undoes what it buffered and nothing of what came before.

        Events that it appends carry ``traceparent``, the trace context of whoever asked for the
        change.

        Raises:
            Inseparable: the command raised after some of its writes had been sent.
        """
        self._undo.clear()
        self._sent = False
        self._traceparent = traceparent
        events = len(self._events)
        try:
            return run()
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
        sql, rows = changes.sql, changes.rows
        if inserted := changes.written(new=True):
            sql.insert(self._connection, list(inserted.values()))
        if updated := changes.written(new=False):
            stale = len(updated) - sql.update(self._connection, list(updated.values()))
            if stale:
                raise StaleRow(f"{name}: {stale} rows changed since they were read")
            if sql.guarded:
                rows.update((key, {**it, VERSION: it[VERSION] + 1}) for key, it in updated.items())
        changes.unsent.clear()
        if changes.added:
            sql.add(self._connection, _sums(changes.added))
            for key, _ in changes.added:
                rows.pop(key, None)
            changes.added.clear()

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


def _sums(added: dict[tuple[Key, str], int]) -> dict[Key, dict[str, int]]:
    """By key and then by column what is to be added."""
    sums: dict[Key, dict[str, int]] = {}
    for (key, column), number in added.items():
        sums.setdefault(key, {})[column] = number
    return sums
