"""Named places where a test makes a running process crash, fail or wait.

`failpoint(name)` costs one truth test unless points are switched on, with text such as
`job.submit.after_commit=crash,rpc.Login.before=error*2,job.submit.before_commit=delay(500)`:
crash ends the process with code 70 and no clean-up, error raises `FailpointError`, delay waits
that many milliseconds, or in a thread until the points are replaced if that is sooner; `*n` limits
an action to its first n times.
"""

import asyncio
import logging
import os
import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

from servicekit.errors import Unavailable

CRASH_EXIT_CODE = 70

_log = logging.getLogger(__name__)
_SYNTAX = re.compile(
    r"(?P<name>[\w.]+)=(?P<action>crash|error|delay\((?P<ms>\d+)\))(?:\*(?P<times>\d+))?"
)


class FailpointError(Unavailable):
    """Raised by a failpoint with the action `error`: looks like a dependency that is away."""


@dataclass(slots=True)
class _Point:
    action: str
    delay_ms: int
    times_left: int | None


_points: dict[str, _Point] = {}
_hits: Counter[str] = Counter()
_lock = threading.Lock()
_replaced = threading.Event()


def configure(text: str) -> None:
    """Replaces all points by those in `text` (empty switches all off); ValueError on bad syntax."""
    global _replaced
    points = _parse_all(text)
    with _lock:
        _replaced.set()
        _replaced = threading.Event()
        _points.clear()
        _hits.clear()
        _points.update(points)


def check(text: str) -> None:
    """Raises ValueError, saying what was expected, if `configure` would not take `text`."""
    _parse_all(text)


def failpoint(name: str) -> None:
    """Acts if `name` is switched on; a delay blocks the thread, so not for the event loop."""
    if _points:
        replaced = _replaced
        delay = _reach(name)
        if delay:
            replaced.wait(delay)


async def afailpoint(name: str) -> None:
    """Acts if `name` is switched on; a delay suspends only this task."""
    if _points:
        delay = _reach(name)
        if delay:
            await asyncio.sleep(delay)


def hits() -> dict[str, int]:
    """Returns how often each failpoint was reached, its action taken or not, while any was on."""
    with _lock:
        return dict(_hits)


def _parse_all(text: str) -> dict[str, _Point]:
    return dict(_parse(item.strip()) for item in text.split(",") if item.strip())


def _parse(item: str) -> tuple[str, _Point]:
    match = _SYNTAX.fullmatch(item)
    if match is None:
        raise ValueError(
            f"failpoint {item!r}: expected name=crash, name=error or name=delay(ms), then maybe *n"
        )
    times = match["times"]
    action = match["action"].partition("(")[0]
    return match["name"], _Point(action, int(match["ms"] or 0), int(times) if times else None)


def _reach(name: str) -> float:
    """Counts the visit, takes the action; returns the seconds that the caller has to wait."""
    with _lock:
        _hits[name] += 1
        point = _points.get(name)
        if point is None or point.times_left == 0:
            return 0.0
        if point.times_left is not None:
            point.times_left -= 1
    _log.warning("failpoint %s: %s", name, point.action)
    if point.action == "crash":
        _crash()
    if point.action == "error":
        raise FailpointError(f"failpoint {name}")
    return point.delay_ms / 1000


def _crash() -> NoReturn:
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(CRASH_EXIT_CODE)
