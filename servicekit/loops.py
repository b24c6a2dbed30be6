"""Loops that never end: each begins again after a failure, at longer and longer intervals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeAlias

from prometheus_client import Counter

from servicekit.errors import Failure
from servicekit.logs import logger

Work: TypeAlias = Callable[[], Awaitable[None]]

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0

_FAILURES = Counter("gpuaas_loop_failures_total", "Times a loop failed and began again.", ("loop",))
_log = logger(__name__)


@asynccontextmanager
async def looping(works: Mapping[str, Work]) -> AsyncIterator[None]:
    """Runs each work, by name, for ever and again from entry to exit."""
    tasks = [asyncio.create_task(forever(name, work), name=name) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def forever(name: str, work: Work) -> None:
    """Does the work again whenever it fails or ends.

    Why it failed is said once, until it is something else or the work has gone well for a while.
    """
    pause, said = FIRST_PAUSE, None
    while True:
        began, reason = monotonic(), None
        try:
            await work()
        except Failure as failure:
            _FAILURES.labels(name).inc()
            reason = failure.message
        except Exception as error:
            _FAILURES.labels(name).inc()
            _log.error("a loop failed by a defect and begins again", loop=name, exc_info=error)
        if monotonic() - began > 2 * LONGEST_PAUSE:
            pause, said = FIRST_PAUSE, None
        if reason is not None:
            say = _log.debug if reason == said else _log.warning
            say("a loop failed and begins again", loop=name, reason=reason)
        said = reason
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
