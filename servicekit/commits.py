"""Running commands in groups: one transaction for all, or one for each where they must part.

This side of the writer knows the database and no event loop; `writer` gathers the groups, and
`writer_hosts` decides where this runs.
"""

import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from servicekit import failpoints
from servicekit.database import Database, unavailable
from servicekit.errors import Aborted, Failure
from servicekit.eventlog import EventLog
from servicekit.tables import Plumbing
from servicekit.transaction import Inseparable, RecordedEvent, StaleRow, Transaction
from servicekit.values import Value

U_contra = TypeVar("U_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)

STALE_ATTEMPTS = 5


class Command(Protocol[U_contra, T_co]):
    """A change of state. ``run`` does no I/O but through its unit, and may run more than once.

    A command may also have a static ``prefetch(unit, commands)``: it is called once for all
    commands of its type in a group, so that what they need is read in one statement instead of one
    each. One that is a batch by itself says so, ``is_batch``: nothing is gathered to go with it, as
    it was gathered before. Commands, answers and failures travel between processes: all of them can
    be pickled.
    """

    @property
    def name(self) -> str:
        """What failpoints call it, such as "job.submit"."""

    def run(self, unit: U_contra) -> T_co:
        """Changes state through ``unit`` and returns the answer; raises a ``Failure`` to refuse."""


class Defect(RuntimeError):
    """A command raised what it did not mean to; the text is the traceback."""


class Work(Value, frozen=True):
    """A command to run, and the trace context of whoever asked for it."""

    command: Command[Any, Any]
    traceparent: str


class Outcome(Value, frozen=True):
    """What became of a command: its answer, or what it failed with."""

    answer: Any = None
    error: Exception | None = None


class Settled(Value, frozen=True):
    """What became of a group, in the order of its commands; ``seconds`` from flush to disk."""

    outcomes: list[Outcome]
    recorded: list[RecordedEvent]
    seconds: float

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels as few large pieces: values pickled one by one take several times as long."""
        answers = [outcome.answer for outcome in self.outcomes]
        errors = {place: it.error for place, it in enumerate(self.outcomes) if it.error is not None}
        return _arrived, (answers, errors, _packer.encode(self.recorded), self.seconds)


_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(list[RecordedEvent])


def _arrived(
    answers: list[Any], errors: dict[int, Exception], recorded: bytes, seconds: float
) -> Settled:
    outcomes = [Outcome(answer) for answer in answers]
    for place, error in errors.items():
        outcomes[place] = Outcome(error=error)
    return Settled(outcomes, _unpacker.decode(recorded), seconds)


class Commits:
    """Settles one group after the other over one connection."""

    def __init__(
        self, database: Database, tables: Plumbing, unit: Callable[[Transaction], Any]
    ) -> None:
        self._database = database
        self._log = EventLog(database, tables)
        self._unit = unit
        self._connection: Connection | None = None
        self._commit_sent = False

    def settle(self, group: list[Work]) -> Settled:
        """Commits the group together or, where one of it spoils the others, one by one."""
        try:
            return self._attempt_connected(group)
        except Exception as error:
            if self._commit_sent or isinstance(error, OperationalError | Failure):
                return self._lost(group, error)
        # One of them broke a constraint, wrote what the database cannot hold, or read a row that
        # has changed since: alone, each meets only its own fate.
        return _joined([self._settle_alone(work) for work in group])

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()

    def _settle_alone(self, work: Work) -> Settled:
        for _ in range(STALE_ATTEMPTS):
            try:
                return self._attempt_connected([work])
            except StaleRow:
                continue
            except Inseparable as error:
                return Settled([Outcome(error=_explained(error.__cause__ or error))], [], 0.0)
            except Exception as error:
                return self._lost([work], error)
        aborted = Aborted("Others keep changing the same record; try again.")
        return Settled([Outcome(error=aborted)], [], 0.0)

    def _attempt_connected(self, group: list[Work]) -> Settled:
        """Attempts again on a new connection if the old one was found dead before the commit."""
        try:
            return self._attempt(group)
        except DBAPIError as error:
            if not error.connection_invalidated or self._commit_sent:
                raise
        self._disconnect()
        return self._attempt(group)

    def _attempt(self, group: list[Work]) -> Settled:
        """One transaction for the whole group: run, flush, commit."""
        connection = self._connect()
        self._commit_sent = False
        with connection.begin():
            transaction = Transaction(connection, self._log.lock(connection), self._log.record)
            unit = self._unit(transaction)
            prefetch(unit, [work.command for work in group])
            outcomes = [_run(work, transaction, unit) for work in group]
            started = time.perf_counter()
            transaction.flush()
            _pass_failpoints(group, "before_commit")
            self._commit_sent = True
        seconds = time.perf_counter() - started
        _pass_failpoints(group, "after_commit")
        return Settled(outcomes, transaction.recorded, seconds)

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._connection = self._database.writing.connect()
        return self._connection

    def _lost(self, group: list[Work], error: Exception) -> Settled:
        """The transaction was spoilt for everybody, by the database or by a defect."""
        self._disconnect()
        return Settled([Outcome(error=_explained(error)) for _ in group], [], 0.0)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def prefetch(unit: Any, commands: Iterable[Command[Any, Any]]) -> None:
    """Calls each command type's ``prefetch`` once with all its commands."""
    kinds: dict[type, list[Command[Any, Any]]] = {}
    for command in commands:
        kinds.setdefault(type(command), []).append(command)
    for kind, alike in kinds.items():
        if hasattr(kind, "prefetch"):
            kind.prefetch(unit, alike)


def _run(work: Work, transaction: Transaction, unit: Any) -> Outcome:
    """Runs a command: what it refuses with, or a defect in it, is its own and no neighbour's."""
    try:
        return Outcome(transaction.attempt(partial(work.command.run, unit), work.traceparent))
    except (DBAPIError, Inseparable, StaleRow):
        raise
    except Exception as error:
        return Outcome(error=_explained(error))


def _explained(error: BaseException) -> Exception:
    """What the caller is told: something that can travel, whatever was raised."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, IntegrityError):
        return Aborted("The change contradicts one made at the same time; decide again.")
    if isinstance(error, DBAPIError):
        return unavailable(error)
    return Defect("".join(traceback.format_exception(error)))


def _joined(settled: list[Settled]) -> Settled:
    return Settled(
        [outcome for one in settled for outcome in one.outcomes],
        [event for one in settled for event in one.recorded],
        sum(one.seconds for one in settled),
    )


def _pass_failpoints(group: list[Work], moment: str) -> None:
    for name in dict.fromkeys(work.command.name for work in group):
        failpoints.failpoint(f"{name}.{moment}")
