"""Child processes that log to a file and never outlive this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Linux ties "the parent's death" to the thread that started the child, so one thread that lives as
# long as this process starts them all, whoever asks.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    owner: tuple[int, int] | None = None,
    at_parents_death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts `command` in the checkout's root, in a session of its own.

    A session of its own keeps the terminal's Ctrl-C away: who starts processes also stops them.

    Args:
        command: the program and its arguments.
        log: file that standard output and standard error are appended to.
        environment: the whole environment; this process's own by default.
        owner: user and group id to run as, for a parent that is root.
        at_parents_death: what the command gets when this process ends in any way (Linux).
    """
    return _starter.submit(_spawn, command, log, environment, owner, at_parents_death).result()


def _spawn(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None,
    owner: tuple[int, int] | None,
    at_parents_death: signal.Signals,
) -> subprocess.Popen[bytes]:
    user, group = owner or (-1, -1)
    guard = [sys.executable, "-I", "-S", str(Path(__file__).with_name("child.py"))]
    binding = [str(os.getpid()), str(int(at_parents_death)), str(user), str(group)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*guard, *binding, *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(
    process: subprocess.Popen[bytes],
    *,
    polite: signal.Signals = signal.SIGTERM,
    grace: float = 10.0,
) -> int:
    """Stops the process, by SIGKILL if it takes longer than `grace` seconds; returns its code."""
    if process.poll() is None:
        process.send_signal(polite)
    return await_end(process, grace)


def await_end(process: subprocess.Popen[bytes], grace: float) -> int:
    """Waits `grace` seconds for the end, then kills; returns the exit code."""
    try:
        return process.wait(timeout=max(grace, 0.0))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def last_lines(log: Path, count: int = 20) -> str:
    """Returns the end of a log file, for a message about a process that failed."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])
