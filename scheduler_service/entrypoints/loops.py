"""The loops beside scheduling: one ends what has run, one forgets what has expired."""

import asyncio
from datetime import timedelta
from typing import Any

from prometheus_client import Counter

from scheduler_service.application.commands import FinishWorkloads, ForgetCancellations
from scheduler_service.application.ports import Backend, FinishedRun
from servicekit.clock import Clock
from servicekit.writer import Writer

RESULTS = 500
HOUSEKEEPING = timedelta(hours=1)

_STALE = Counter(
    "gpuaas_scheduler_stale_results_total", "Results of runs whose workload had ended before."
)


class Finishing:
    """Writes down what the backend says has ended; what could not be written is tried again."""

    def __init__(self, writer: Writer[Any], backend: Backend, clock: Clock) -> None:
        self._writer = writer
        self._backend = backend
        self._clock = clock
        self._ended: list[FinishedRun] = []

    async def run(self) -> None:
        """Ends workloads until something fails."""
        while True:
            while self._ended:
                part = self._ended[:RESULTS]
                stale = await self._writer.execute(FinishWorkloads(part, self._clock.now()))
                _STALE.inc(stale)
                del self._ended[: len(part)]
            self._ended += await self._backend.finished()


class Forgetting:
    """Deletes early cancellations that have expired, once an hour."""

    def __init__(self, writer: Writer[Any], clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def run(self) -> None:
        """Forgets until something fails."""
        while True:
            await self._writer.execute(ForgetCancellations(self._clock.now()))
            await asyncio.sleep(HOUSEKEEPING.total_seconds())
