"""A process that computes slow hashes; `hasher` starts it and speaks to it.

A thread would share the interpreter's lock with the event loop: one that stands back, as it should,
can be put aside while it holds the lock, and then everybody waits for whatever the machine does
instead. A process that stands back is in nobody's way.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import bcrypt

from auth_service.adapters import hashes

NICENESS = 10
"""How far it stands back, as `nice` does: whoever asks for something quick goes first."""

WORK: Mapping[str, Callable[..., Any]] = {
    "hash": lambda password, salt: bcrypt.hashpw(hashes.shortened(password), salt).decode(),
    "verify": hashes.verified,
}
"""What can be asked for, by name; arguments and answers travel between the processes."""


class HashingProcess:
    """Such a process, in the hands of the one thread that uses it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        program = [sys.executable, "-m", __name__, str(theirs.fileno())]
        self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()])
        theirs.close()
        self._connection = Connection(ours.detach())

    def do(self, name: str, *arguments: Any) -> Any:
        """Returns what the work gives; EOFError or OSError when the process has ended."""
        self._connection.send((name, arguments))
        answer, failure = self._connection.recv()
        if failure is not None:
            raise ValueError(failure)
        return answer

    def close(self) -> None:
        """Lets the process end."""
        self._connection.close()
        self._process.wait()


def main(descriptor: int) -> None:
    """Works until the other end closes the connection, or the process there is gone."""
    # A signal to the whole group is for the service, which finishes and closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    connection = Connection(descriptor)
    while True:
        try:
            name, arguments = connection.recv()
            connection.send(_done(name, arguments))
        except (EOFError, OSError):
            return


def _done(name: str, arguments: tuple[Any, ...]) -> tuple[Any, str | None]:
    """Returns the answer, or what went wrong; never what was asked, which is a password."""
    try:
        return WORK[name](*arguments), None
    except Exception as error:
        return None, type(error).__name__


if __name__ == "__main__":
    main(int(sys.argv[1]))
