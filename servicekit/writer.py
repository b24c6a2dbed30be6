"""The one writer of a service: changes that wait together commit together.

A thread drains the waiting commands, runs them one after another over one ``Transaction``, commits
once and only then answers all of them. An answer therefore means that the change is on disk, while
the cost of reaching the disk is shared by everybody who waited for it.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from prometheus_client import Histogram
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from servicekit import failpoints
from servicekit.call import call_or_none
from servicekit.database import Database, unavailable
from servicekit.errors import Aborted, ResourceExhausted, Unavailable
from servicekit.eventlog import EventLog
from servicekit.transaction import Inseparable, RecordedEvent, StaleRow, Transaction

U = TypeVar("U")
U_contra = TypeVar("U_contra", contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

GROUP = 256
WAITING = 4096
STALE_ATTEMPTS = 5
QUIET_ROUNDS = 6
PATIENCE_S = 0.01

_GROUP_SIZE = Histogram(
    "gpuaas_writer_group_commands",
    "Commands that shared a commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
_COMMIT = Histogram(
    "gpuaas_writer_commit_seconds", "Time from the flush of a group until it was on disk."
)


class Command(Protocol[U_contra, T_co]):
    """A change of state. ``run`` is called in the writer thread; its only I/O is its unit's.

    A command may also have a static ``prefetch(unit, commands)``: it is called once for all
    commands of its type in a group, so that what they need is read in one statement instead of one
    each.
    """

    @property
    def name(self) -> str:
        """What failpoints call it, such as "job.submit"."""

    def run(self, unit: U_contra) -> T_co:
        """Changes state through ``unit`` and returns the answer; raises a ``Failure`` to refuse."""


@dataclass(slots=True)
class _Waiting:
    """A command and what became of it."""

    command: Command[Any, Any]
    traceparent: str
    future: asyncio.Future[Any]
    answer: Any = None
    error: Exception | None = None


class Writer(Generic[U]):
    """Runs commands in groups.

    ``unit`` builds a service's unit of work over a group's transaction.
    """

    def __init__(
        self,
        database: Database,
        log: EventLog,
        unit: Callable[[Transaction], U],
        *,
        group: int = GROUP,
    ) -> None:
        self._database = database
        self._log = log
        self._unit = unit
        self._group = group
        self._waiting: deque[_Waiting] = deque()
        self._gathering = False
        self._committing = False
        self._idle = asyncio.Event()
        self._groups: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._commit_sent = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Starts the thread; call on the event loop that will ``execute``."""
        self._loop = asyncio.get_running_loop()
        self._idle.set()
        self._thread.start()

    async def stop(self) -> None:
        """Finishes what waits, then ends the thread. Later commands are refused as unavailable."""
        self._stopped = True
        await self._idle.wait()
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)

    async def execute(self, command: Command[U, T]) -> T:
        """Runs one command and returns its answer once the change is on disk.

        Raises:
            Failure: whatever the command refused with; nothing was changed.
            Unavailable: the database did not answer. If it was lost while committing, the change
                may have been made; repeating the request with its request id is safe.
            ResourceExhausted: too many commands wait.
        """
        if self._stopped:
            raise Unavailable("The service is stopping.")
        if len(self._waiting) >= WAITING:
            raise ResourceExhausted(
                f"{WAITING} changes wait already; try again shortly.", reason="OVERLOADED"
            )
        call = call_or_none()
        waiting = _Waiting(command, call.traceparent if call else "", self._loop.create_future())
        self._waiting.append(waiting)
        self._gather()
        return cast("T", await waiting.future)

    def _gather(self) -> None:
        """Begins to gather the next group, unless one is being gathered or committed."""
        if not self._gathering and not self._committing:
            self._gathering = True
            self._idle.clear()
            self._look_around(0, 0, self._loop.time() + PATIENCE_S)

    def _look_around(self, seen: int, quiet: int, until: float) -> None:
        """Hands the group over when the loop has brought nothing more for a few rounds.

        A loop that still brings commands is busy, and its next ones would have to pay for a
        commit of their own; an idle one costs a lonely command only these few rounds.
        """
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == seen else 0
        if quiet < QUIET_ROUNDS and waiting < self._group and self._loop.time() < until:
            self._loop.call_soon(self._look_around, waiting, quiet, until)
            return
        self._gathering = False
        self._committing = True
        self._groups.put([self._waiting.popleft() for _ in range(min(waiting, self._group))])

    # From here on in the writer's thread.

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            recorded = self._settle([it for it in group if not it.future.cancelled()])
            self._loop.call_soon_threadsafe(self._deliver, group, recorded)
        if self._connection is not None:
            self._connection.close()

    def _settle(self, group: list[_Waiting]) -> list[RecordedEvent]:
        """Commits the group together or, where one of it spoils the others, one by one."""
        try:
            return self._attempt_connected(group)
        except (IntegrityError, Inseparable, StaleRow):
            return [event for waiting in group for event in self._settle_alone(waiting)]
        except Exception as error:
            return self._lose(group, error)

    def _attempt_connected(self, group: list[_Waiting]) -> list[RecordedEvent]:
        """Attempts again on a new connection if the old one was found dead before the commit."""
        try:
            return self._attempt(group)
        except DBAPIError as error:
            if not error.connection_invalidated or self._commit_sent:
                raise
        self._disconnect()
        return self._attempt(group)

    def _settle_alone(self, waiting: _Waiting) -> list[RecordedEvent]:
        for _ in range(STALE_ATTEMPTS):
            try:
                return self._attempt([waiting])
            except StaleRow:
                continue
            except Inseparable as error:
                waiting.error = cast("Exception", error.__cause__)
                return []
            except Exception as error:
                return self._lose([waiting], error)
        waiting.error = Aborted("Others keep changing the same record; try again.")
        return []

    def _attempt(self, group: list[_Waiting]) -> list[RecordedEvent]:
        """One transaction for the whole group: run, flush, commit. Returns what it recorded."""
        connection = self._connect()
        self._commit_sent = False
        with connection.begin():
            transaction = Transaction(connection, self._log.lock(connection), self._log.record)
            unit = self._unit(transaction)
            prefetch(unit, [waiting.command for waiting in group])
            for waiting in group:
                _run_one(waiting, transaction, unit)
            started = time.perf_counter()
            transaction.flush()
            _pass_failpoints(group, "before_commit")
            self._commit_sent = True
        _COMMIT.observe(time.perf_counter() - started)
        _GROUP_SIZE.observe(len(group))
        _pass_failpoints(group, "after_commit")
        return transaction.recorded

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._connection = self._database.writing.connect()
        return self._connection

    def _lose(self, group: list[_Waiting], error: Exception) -> list[RecordedEvent]:
        """Tells everybody that the transaction was spoilt, by the database or by a defect."""
        self._disconnect()
        for waiting in group:
            waiting.error = _explained(error)
        return []

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    # Back on the event loop.

    def _deliver(self, group: list[_Waiting], recorded: Sequence[RecordedEvent]) -> None:
        self._committing = False
        self._log.publish(recorded)
        for waiting in group:
            if waiting.future.done():
                continue
            if waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.answer)
        if self._waiting:
            self._gather()
        else:
            self._idle.set()


def prefetch(unit: Any, commands: Iterable[Command[Any, Any]]) -> None:
    """Calls each command type's ``prefetch`` once with all its commands."""
    kinds: dict[type, list[Command[Any, Any]]] = {}
    for command in commands:
        kinds.setdefault(type(command), []).append(command)
    for kind, alike in kinds.items():
        if hasattr(kind, "prefetch"):
            kind.prefetch(unit, alike)


def _run_one(waiting: _Waiting, transaction: Transaction, unit: Any) -> None:
    """Runs a command.

    What it refuses with, or a defect in it, is its own and not its neighbours'.
    """
    waiting.answer = waiting.error = None
    try:
        with transaction.savepoint(waiting.traceparent):
            waiting.answer = waiting.command.run(unit)
    except (DBAPIError, Inseparable, StaleRow):
        raise
    except Exception as error:
        waiting.error = error


def _explained(error: Exception) -> Exception:
    if isinstance(error, IntegrityError):
        return Aborted(
            "The change contradicts one made at the same time; read again and decide again."
        )
    return unavailable(error) if isinstance(error, DBAPIError) else error


def _pass_failpoints(group: list[_Waiting], moment: str) -> None:
    for name in dict.fromkeys(waiting.command.name for waiting in group):
        failpoints.failpoint(f"{name}.{moment}")
