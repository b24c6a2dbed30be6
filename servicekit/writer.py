"""The one writer of a service: changes that wait together commit together.

Commands gather on the event loop; a group at a time goes to where it is committed, and only then
are all of it answered. An answer therefore means that the change is on disk, while the cost of
reaching the disk is shared by everybody who waited for it.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from prometheus_client import Histogram

from servicekit.call import call_or_none
from servicekit.commits import Command, Defect, Outcome, Settled, Work
from servicekit.errors import ResourceExhausted, Unavailable
from servicekit.eventlog import EventLog
from servicekit.writer_hosts import Host

U = TypeVar("U")
T = TypeVar("T")

GROUP = 256
ENOUGH = 16
"""So many share a commit well enough: they are handed over at once, and who comes meanwhile is the
next group. Waiting for more left both processes idle for a fifth of the time under load."""

AHEAD = 2
"""So many groups are with the host at a time: one being committed, and the one after it."""

WAITING = 4096
QUIET_ROUNDS = 4
PATIENCE_SECONDS = 0.005

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_GROUP = Histogram("gpuaas_writer_group_commands", "Commands sharing a commit.", buckets=_SIZES)
_COMMIT = Histogram(
    "gpuaas_writer_commit_seconds", "Time from a group's flush until it is on disk."
)


@dataclass(slots=True)
class _Waiting:
    """A command and whoever waits for it."""

    work: Work
    future: asyncio.Future[Any]


class Writer(Generic[U]):
    """Gathers commands on the event loop and has ``host`` commit them, one group after the other.

    While a group is being committed the next one may be with the host already, so that it need not
    wait for this loop between them.
    """

    def __init__(self, log: EventLog, host: Host) -> None:
        self._log = log
        self._host = host
        self._waiting: deque[_Waiting] = deque()
        self._is_enough = False
        self._groups: deque[list[_Waiting]] = deque()
        self._gathering = False
        self._idle = asyncio.Event()
        self._stopped = False

    async def start(self) -> None:
        """Starts the host; call on the event loop that will ``execute``."""
        self._loop = asyncio.get_running_loop()
        self._idle.set()
        await self._host.start(self._deliver)

    async def stop(self) -> None:
        """Finishes what waits, then ends the host. Later commands are refused as unavailable."""
        self._stopped = True
        await self._idle.wait()
        await self._host.stop()

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
        work = Work(command, call.traceparent if call else "")
        waiting = _Waiting(work, self._loop.create_future())
        self._waiting.append(waiting)
        if getattr(command, "is_batch", False) or len(self._waiting) >= ENOUGH:
            self._is_enough = True
        self._idle.clear()
        self._go_on()
        return cast("T", await waiting.future)

    def _go_on(self) -> None:
        """Hands over what is enough for a group, or begins to gather one for an idle host."""
        if self._gathering:
            return
        if self._groups:
            if len(self._groups) < AHEAD and self._is_enough:
                self._hand_over()
        elif self._waiting:
            self._gathering = True
            self._look_around(0, 0, self._loop.time() + PATIENCE_SECONDS)
        else:
            self._idle.set()

    def _look_around(self, seen: int, quiet: int, until: float) -> None:
        """Hands the group over when it is large enough, or the loop has brought nothing more.

        A loop that still brings commands is busy, and its next ones would have to pay for a
        commit of their own; an idle one costs a lonely command only these few rounds.
        """
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == seen else 0
        if quiet < QUIET_ROUNDS and not self._is_enough and self._loop.time() < until:
            self._loop.call_soon(self._look_around, waiting, quiet, until)
            return
        self._gathering = False
        self._hand_over()

    def _hand_over(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP))]
        self._is_enough = len(self._waiting) >= ENOUGH
        group = [it for it in taken if not it.future.cancelled()]
        if not group:
            self._loop.call_soon(self._go_on)
            return
        self._groups.append(group)
        try:
            self._host.settle([it.work for it in group])
        except Defect as error:
            # Its group is told, the others go on.
            self._groups.remove(group)
            _answer(group, [Outcome(error=error)] * len(group))
            self._loop.call_soon(self._go_on)

    def _deliver(self, settled: Settled) -> None:
        """Answers the group that was committed, and goes on with what came meanwhile."""
        group = self._groups.popleft()
        _GROUP.observe(len(group))
        _COMMIT.observe(settled.seconds)
        self._log.publish(settled.recorded)
        _answer(group, settled.outcomes)
        self._go_on()


def _answer(group: list[_Waiting], outcomes: Iterable[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.future.done():
            continue
        if outcome.error is not None:
            waiting.future.set_exception(outcome.error)
        else:
            waiting.future.set_result(outcome.answer)
