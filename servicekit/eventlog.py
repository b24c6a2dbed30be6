"""An append-only log of events with a cursor for every reader.

Events are appended in the writing transaction at the next gap-free revision. Whoever reads, the
outbox loop, another service's stream or a client's watch, keeps a revision and asks for what came
after it. The newest events stay in memory, so that a thousand readers at the tip cost no query at
all.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from operator import attrgetter
from time import monotonic

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from servicekit.database import Database
from servicekit.errors import InvalidArgument, OutOfRange, Unavailable
from servicekit.loops import forever
from servicekit.statements import send, statements
from servicekit.tables import Plumbing
from servicekit.tokens import ResumeToken
from servicekit.transaction import RecordedEvent, Transaction

BATCH = 500
TAIL = 2 * BATCH
"""Kept in memory; more would be colder: what is made anew then takes memory that no cache holds."""

COMPLETION = 16
POLL = timedelta(milliseconds=200)
BOOKMARK = timedelta(seconds=15)
REST_EACH_S, LONGEST_REST_S = 0.004, 0.010

# As plain text, since every group sends both; by whether it is SQLite.
_LOCK = {
    True: "SELECT head FROM event_log",
    False: "SELECT head FROM event_log FOR UPDATE",
}
_MOVE = {
    True: "UPDATE event_log SET head = ?",
    False: "UPDATE event_log SET head = %s",
}


class EventLog:
    """One service's log. Lives on the event loop.

    ``lock`` and ``record`` run in the writer.
    """

    def __init__(
        self, database: Database, tables: Plumbing, *, tail: int = TAIL, poll: timedelta = POLL
    ) -> None:
        self._database = database
        self._tables = tables
        self._values = attrgetter(*tables.events.columns.keys())
        self._capacity = tail
        self._poll = poll
        self._tail: list[RecordedEvent] = []
        self._news = asyncio.Event()
        self._behind = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self.identity = b""
        self.head = 0

    async def open(self) -> None:
        """Reads who the log is and where it ends, giving a new database its identity first.

        Other processes may append too, a replica or an operator's command; a short poll brings
        their events.
        """
        with self._database.writing.begin() as connection:
            if connection.execute(self._tables.event_log.select()).first() is None:
                connection.execute(
                    self._tables.event_log.insert(),
                    {"id": 1, "identity": os.urandom(8), "head": 0, "floor": 0},
                )
        row = await self._database.read(lambda c: c.execute(self._tables.event_log.select()).one())
        self.identity, self.head = bytes(row.identity), row.head
        self._poller = asyncio.create_task(forever("poll", self._poll_forever))

    async def close(self) -> None:
        """Stops the poll."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    # Writing, in the writer.

    def lock(self, connection: Connection) -> int:
        """Takes the log for this transaction and returns its newest revision.

        The row lock makes writing groups of all replicas follow one another, as ``BEGIN IMMEDIATE``
        does on SQLite: revisions are gap-free and in commit order on both.
        """
        ((head,),) = send(connection, _LOCK[self._database.is_sqlite]).fetchall()
        return int(head)

    def record(self, connection: Connection, events: list[RecordedEvent]) -> None:
        """Writes events and the new head inside the caller's transaction."""
        rows = [self._values(event) for event in events]
        statements(self._tables.events, connection.dialect).insert_values(connection, rows)
        send(connection, _MOVE[self._database.is_sqlite], (events[-1].revision,))

    # Reading, on the event loop.

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        """Shows committed events to local readers, unless another process's come first."""
        fresh = [event for event in events if event.revision > self.head]
        if not fresh:
            return
        if fresh[0].revision != self.head + 1:
            self._behind.set()
            return
        self._tail += fresh
        self.head = fresh[-1].revision
        if len(self._tail) > 2 * self._capacity:
            del self._tail[: -max(self._capacity, len(fresh))]
        self._news.set()
        self._news = asyncio.Event()

    async def read(self, after: int, limit: int = BATCH) -> list[RecordedEvent]:
        """The events after a revision, oldest first: ``limit``, and what completes the last change.

        Raises:
            OutOfRange: events after the cursor were trimmed away, or the log never reached it.
        """
        while after > self.head and await self.poll():
            pass  # Another process has written it, or this one has and not yet shown it.
        if after > self.head:
            raise OutOfRange(
                f"The cursor stands at revision {after}, but the log ends at {self.head}.",
                reason="RESUME_TOKEN_EXPIRED",
            )
        if self._tail and after + 1 >= self._tail[0].revision:
            start = after + 1 - self._tail[0].revision
            end = min(start + limit, len(self._tail))
            while self._tail[end - 1].more:
                end += 1
            return self._tail[start:end]
        if after == self.head:
            return []
        return await self._stored_changes(after, limit)

    async def follow(
        self,
        after: int,
        *,
        bookmark: timedelta = BOOKMARK,
        sooner: Callable[[], timedelta] | None = None,
        rests: bool = True,
    ) -> AsyncIterator[list[RecordedEvent]]:
        """Batches of events after the cursor for as long as the caller iterates.

        A reader whose events come in batches already need not gather them: it never ``rests``.
        An empty batch says that nothing happened for ``bookmark``, or for the time that ``sooner``
        names, whichever is less; the reader's cursor is still good.
        """
        pace = Pace()
        while True:
            if rests:
                await pace.rest()
            batch = await self.read(after)
            pace.took(batch)
            patience = min(bookmark, sooner()) if sooner else bookmark
            if not batch and not await self.wait(after, patience):
                yield []
            elif batch:
                after = batch[-1].revision
                yield batch

    async def wait(self, after: int, patience: timedelta) -> bool:
        """Waits until the log has grown past ``after``; False when the time ran out first."""
        if self.head > after:
            return True
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def token(self, revision: int) -> str:
        """The opaque token with which a reader resumes after ``revision`` of this log."""
        return ResumeToken(self.identity, revision).encode()

    def revision(self, token: str) -> int:
        """The revision a token stands for.

        Raises:
            InvalidArgument: the token is damaged or was given by another log.
        """
        resume = ResumeToken.decode(token)
        if resume.log_id != self.identity:
            raise InvalidArgument(
                "The resume token was given by another database.", reason="RESUME_TOKEN_INVALID"
            )
        return resume.revision

    async def poll(self) -> bool:
        """Brings in what other processes have committed since the newest event known here.

        False if there was nothing.
        """
        events = await self._stored_changes(self.head, BATCH)
        self.publish(events)
        return bool(events)

    async def _poll_now_and_then(self) -> None:
        head = self.head
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll.total_seconds()):
                await self._behind.wait()
        if self.head > head and not self._behind.is_set():
            return  # What this process wrote has followed without a gap: nobody else has written.
        self._behind.clear()
        with suppress(Unavailable):
            while await self.poll():
                pass

    async def _poll_forever(self) -> None:
        while True:
            await self._poll_now_and_then()

    async def _stored_changes(self, after: int, limit: int) -> list[RecordedEvent]:
        """Events from the table: ``limit`` of them, and what completes the last change."""
        events = await self._database.read(partial(self._stored, after=after, limit=limit))
        while events and events[-1].more:
            rest = partial(self._stored, after=events[-1].revision, limit=COMPLETION)
            for event in await self._database.read(rest):
                events.append(event)
                if not event.more:
                    break
        return events

    def _stored(self, connection: Connection, after: int, limit: int) -> list[RecordedEvent]:
        events = self._tables.events
        query = (
            events.select()
            .where(events.c.revision > after)
            .order_by(events.c.revision)
            .limit(limit)
        )
        rows = connection.execute(query).all()
        # The floor is read last: a trim that came between the two statements is then noticed.
        floor = connection.execute(sa.select(self._tables.event_log.c.floor)).scalar_one()
        if after < floor:
            raise OutOfRange(
                f"Events up to revision {floor} are no longer kept; the cursor stands at {after}.",
                reason="RESUME_TOKEN_EXPIRED",
            )
        return [
            RecordedEvent(
                row.kind,
                row.subject,
                bytes(row.payload),
                row.at,
                row.revision,
                row.traceparent,
                row.more,
            )
            for row in rows
        ]


def trim(transaction: Transaction, tables: Plumbing, revision: int) -> None:
    """Deletes events up to and including ``revision``; a cursor before it is then too old."""
    events, log = tables.events, tables.event_log
    transaction.execute(events.delete().where(events.c.revision <= revision))
    transaction.execute(log.update().where(log.c.floor < revision).values(floor=revision))


class Pace:
    """Lets a reader that is kept busy come for few large batches instead of many small ones.

    Every batch costs its reader a message, a transaction or a decision, whatever its size. So the
    more changes come together, the longer the next ones are let gather; a change that comes alone
    holds nothing up.
    """

    def __init__(self) -> None:
        self._next = 0.0

    async def rest(self) -> None:
        """Waits until it is time for the next batch."""
        left = self._next - monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def took(self, batch: Sequence[RecordedEvent]) -> None:
        """Settles when the next batch may be read."""
        changes = sum(not event.more for event in batch)
        self._next = monotonic() + min((changes - 1) * REST_EACH_S, LONGEST_REST_S)


class Cursors:
    """How far this service has read logs, its own or others'; part of a unit of work.

    A cursor moves in the transaction that stores the effect of what was read: exactly once,
    whatever repeats.
    """

    def __init__(self, transaction: Transaction, tables: Plumbing) -> None:
        self._transaction = transaction
        self._table = tables.cursors

    def get(self, name: str) -> str:
        """The position of a reader, empty if it never read."""
        row = self._transaction.get(self._table, name)
        return row["position"] if row else ""

    def move(self, name: str, position: str) -> None:
        """Puts a reader at a position."""
        row = {"name": name, "position": position}
        if self._transaction.get(self._table, name) is None:
            self._transaction.insert(self._table, row)
        else:
            self._transaction.update(self._table, row)
