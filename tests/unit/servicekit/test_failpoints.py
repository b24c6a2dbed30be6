"""Failpoints do nothing until switched on, and then exactly what was said."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from servicekit.failpoints import (
    CRASH_EXIT_CODE,
    FailpointError,
    afailpoint,
    configure,
    failpoint,
    hits,
)


@pytest.fixture(autouse=True)
def all_off() -> Iterator[None]:
    """No test leaves a failpoint on."""
    yield
    configure("")


def test_nothing_happens_and_nothing_is_counted_while_all_are_off() -> None:
    """Production passes by."""
    failpoint("a.b")
    assert {} == hits()


def test_error_raises_the_given_number_of_times() -> None:
    """`*2` fails twice; every visit counts."""
    configure("a.b=error*2")
    for _ in range(2):
        with pytest.raises(FailpointError, match=r"a\.b"):
            failpoint("a.b")
    failpoint("a.b")
    assert {"a.b": 3} == hits()


def test_points_that_are_reached_are_counted_though_not_configured() -> None:
    """So a test run can tell which failpoints it never came by."""
    configure("other=error")
    failpoint("a.b")
    assert {"a.b": 1} == hits()


def test_delay_blocks_the_thread() -> None:
    """For where there is no event loop, as in the writer."""
    configure("a.b=delay(30)")
    started = time.monotonic()
    failpoint("a.b")
    assert time.monotonic() - started >= 0.03


def test_a_delayed_thread_goes_on_when_points_are_replaced() -> None:
    """So that a test may hold something up for as long as it takes to look, and no longer."""
    configure("a.b=delay(3600000)")
    held = threading.Thread(target=failpoint, args=("a.b",), daemon=True)
    held.start()
    while not hits():
        pass
    assert held.is_alive()
    configure("")
    held.join(30)
    assert not held.is_alive()


async def test_delay_on_the_loop_lets_others_run() -> None:
    """For the event loop: only the task that came by waits."""
    configure("a.b=delay(30000)")
    waiting = asyncio.create_task(afailpoint("a.b"))
    while not hits():  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_errors_are_raised_on_the_loop_too() -> None:
    """Both forms share the actions."""
    configure("a.b=error")
    with pytest.raises(FailpointError):
        await afailpoint("a.b")


def test_crash_ends_the_process_at_once() -> None:
    """No clean-up runs, and the log says which point it was."""
    program = (
        "import logging, atexit\n"
        "from servicekit import failpoints, logs\n"
        "logs.configure('crashing')\n"
        "atexit.register(lambda: print('cleaned up'))\n"
        "failpoints.configure('x=delay(0),a.b=crash')\n"
        "failpoints.failpoint('a.b')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (CRASH_EXIT_CODE, b"") == (ended.returncode, ended.stdout)
    assert b"failpoint a.b: crash" in ended.stderr


@pytest.mark.parametrize("text", ["a", "a=boom", "a=delay", "a=delay(x)", "a=error*", "=crash"])
def test_a_misspelled_configuration_is_refused_and_changes_nothing(text: str) -> None:
    """What was on stays on."""
    configure("kept=error")
    with pytest.raises(ValueError, match="expected name=crash"):
        configure(f"new=error,{text}")
    with pytest.raises(FailpointError):
        failpoint("kept")
    failpoint("new")
