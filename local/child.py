"""Becomes a command that does not outlive the process that started it.

Usage: child.py PARENT SIGNAL USER GROUP COMMAND...

The parent's death sends SIGNAL to COMMAND. USER and GROUP are numeric ids to become, or -1 to stay.
A program of its own rather than code between fork and exec, because forking a process that has gRPC
threads is not safe. Linux only; elsewhere the command merely runs.
"""

from __future__ import annotations

import ctypes  # at the top: the new user may not be able to read this Python's files
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drops privileges, binds itself to the parent's life, and executes the command."""
    parent, signal_number, user, group = (int(argument) for argument in arguments[:4])
    if user >= 0:
        become(user, group)
    if sys.platform == "linux":
        die_with(parent, signal_number)
    command = arguments[4:]
    os.execvp(command[0], command)


def become(user: int, group: int) -> None:
    """Gives up root for good."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def die_with(parent: int, signal_number: int) -> None:
    """Asks for a signal at the parent's death; the request survives exec, not a change of user."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
