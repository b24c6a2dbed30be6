"""What the engine foresees, worked out while it goes on scheduling."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import TypeVar

from scheduler_service.domain.answers import Explanation, Load, PoolUse, Quote, Recommendation
from scheduler_service.domain.engine import Engine
from scheduler_service.domain.last_hour import HourFigures, LastHour
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from servicekit.clock import Clock

TURN_S = 0.002
"""So long is thought about one question before everything else has its turn."""

T = TypeVar("T")


class EngineForesight:
    """Implements the port ``Foresight``: one question is thought about at a time.

    Every method waits for the engine, and raises Unavailable if it does not come.
    """

    def __init__(
        self, engine: Callable[[], Awaitable[Engine]], last_hour: LastHour, clock: Clock
    ) -> None:
        self._engine = engine
        self._last_hour = last_hour
        self._clock = clock
        self._thinking = asyncio.Lock()

    async def explain(self, workload_ids: Sequence[str]) -> Sequence[Explanation]:
        """Why workloads wait, in the order of the ids; those that the engine lacks are left out."""
        async with self._thinking:
            engine = await self._engine()
            return await in_turns(engine.explain(workload_ids, self._clock.now()))

    async def quote(self, spec: WorkloadSpec) -> Quote:
        """What would become of a workload that came now."""
        async with self._thinking:
            engine = await self._engine()
            return await in_turns(engine.quote(spec, self._clock.now()))

    async def recommend(self, spec: WorkloadSpec) -> Mapping[Strategy, Recommendation]:
        """The best provider for work that came now, for each strategy."""
        async with self._thinking:
            engine = await self._engine()
            return await in_turns(engine.recommend(spec, self._clock.now()))

    async def load(self, pool: str) -> Load:
        """What waits and runs now in a pool, or, with an empty name, in all."""
        return (await self._engine()).load(pool)

    async def pools(self) -> Sequence[PoolUse]:
        """How each pool is used now."""
        return (await self._engine()).pools()

    def last_hour(self) -> HourFigures:
        """What happened in the hour up to now, since this process began."""
        return self._last_hour.figures(self._clock.now())


async def in_turns(steps: Steps[T]) -> T:
    """Takes all steps, and lets everything else have its turn again and again."""
    while True:
        until = perf_counter() + TURN_S
        try:
            while perf_counter() < until:
                next(steps)
        except StopIteration as end:
            answer: T = end.value
            return answer
        await asyncio.sleep(0)
