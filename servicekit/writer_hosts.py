"""Where a writer's groups are committed: in a process of their own, or in a thread of this one.

A Python process runs one thread at a time. In a process of their own the commands have another core
beside the event loop; a thread starts at once and spares what travelling costs. Tests use it, and
services whose loop is not what holds them up.
"""

import asyncio
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol, TypeAlias

from servicekit.commits import Commits, Defect, Settled, Work
from servicekit.logs import logger

Deliver: TypeAlias = Callable[[Settled], None]

AHEAD_BYTES = 96 * 1024
"""A socket takes so much, even if nobody reads."""

_log = logger(__name__)


class Host(Protocol):
    """Settles groups elsewhere and delivers what became of them on the event loop."""

    async def start(self, deliver: Deliver) -> None:
        """Gets ready."""

    def settle(self, group: list[Work]) -> None:
        """Takes the next group, while at most one is under way.

        Raises:
            Defect: the group cannot be taken; nothing will be delivered of it.
        """

    async def stop(self) -> None:
        """Ends; no group is under way."""


class InThread:
    """Settles groups in a thread of this process."""

    def __init__(self, commits: Commits) -> None:
        self._commits = commits
        self._groups: queue.SimpleQueue[list[Work] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    async def start(self, deliver: Deliver) -> None:
        """Starts the thread."""
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._thread.start()

    def settle(self, group: list[Work]) -> None:
        """Hands a group to the thread."""
        self._groups.put(group)

    async def stop(self) -> None:
        """Ends the thread and its connection."""
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            settled = self._commits.settle(group)
            self._loop.call_soon_threadsafe(self._deliver, settled)
        self._commits.close()


class Assignment(NamedTuple):
    """What the writer's process is told first."""

    package: str
    database_url: str
    failpoints: str
    log_level: str


class InProcess:
    """Settles groups in a process of its own: `python -m servicekit.writer_process`.

    The two share one fate: the process ends when this one does, and this one with it.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._under_way = 0
        self._held = b""

    async def start(self, deliver: Deliver) -> None:
        """Starts the process and returns when it is ready to work."""
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        await asyncio.to_thread(self._begin)
        self._loop.add_reader(self._connection.fileno(), self._receive)
        os.set_blocking(self._connection.fileno(), True)

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        program = [sys.executable, "-m", "servicekit.writer_process", str(theirs.fileno())]
        self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()])
        theirs.close()
        self._connection = Connection(ours.detach())
        self._connection.send(self._assignment)
        self._connection.recv()

    def settle(self, group: list[Work]) -> None:
        """Sends a group at once if that cannot block: the process reads, or the socket has room.

        Were both sides to write and neither to read, they would wait for each other for ever.
        """
        try:
            pickled = pickle.dumps(group, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise Defect(f"a command cannot travel: {error!r}") from None
        self._under_way += 1
        if self._under_way > 1 and len(pickled) > AHEAD_BYTES:
            self._held = pickled
        else:
            self._send(pickled)

    def _send(self, pickled: bytes) -> None:
        try:
            self._connection.send_bytes(pickled)
        except OSError:
            self._end_together()

    async def stop(self) -> None:
        """Lets the process end by closing the connection."""
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        await asyncio.to_thread(self._process.wait)

    def _receive(self) -> None:
        try:
            settled = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - our own process
        except Exception:
            # Nobody knows what became of the group: like a lost process, this ends both.
            self._end_together()
        else:
            self._under_way -= 1
            held, self._held = self._held, b""
            if held:
                self._send(held)
            self._deliver(settled)

    def _end_together(self) -> None:
        """Without its writer the service promises nothing: whoever started it starts both anew."""
        self._connection.close()
        code = self._process.wait()
        _log.error("the writer's process ended, and so does this one", code=code)
        os._exit(code if code > 0 else 1)
