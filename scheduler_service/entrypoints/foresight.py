"""What the engine foresees, worked out while it goes on scheduling."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import TypeVar

from scheduler_service.domain.answers import Explanation, Load, PoolUse, Quote, Recommendation
from scheduler_service.domain.engine import Engine
from scheduler_service.domain.last_hour import HourFigures, LastHour
from scheduler_service.domain.scheduling.explain import Forecasts
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from servicekit.clock import Clock

TURN_S = 0.002
"""So long is thought about one question, and one step more, before everything else has its turn."""
FRESH_S = 1.0
"""How old predictions may be at least."""

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
        self._forecasts: Forecasts = {}
        self._stale_at = 0.0

    async def explain(self, workload_ids: Sequence[str]) -> Sequence[Explanation]:
        """Why workloads wait, in the order of the ids; those that the engine lacks are left out.

        What is predicted may be a second old, or as old as predicting took. Whoever gives up while
        that is done leaves it to the next: else nobody in a hurry would ever be answered.
        """
        engine = await self._engine()
        await self._thinking.acquire()
        answer = asyncio.ensure_future(self._explained(engine, workload_ids))
        answer.add_done_callback(self._thought)
        return await asyncio.shield(answer)

    async def quote(self, spec: WorkloadSpec) -> Quote:
        """What would become of a workload that came now."""
        engine = await self._engine()
        async with self._thinking:
            return await in_turns(engine.quote(spec, self._clock.now()))

    async def recommend(self, spec: WorkloadSpec) -> Mapping[Strategy, Recommendation]:
        """The best provider for work that came now, for each strategy."""
        engine = await self._engine()
        async with self._thinking:
            return await in_turns(engine.recommend(spec, self._clock.now()))

    async def _explained(self, engine: Engine, ids: Sequence[str]) -> Sequence[Explanation]:
        began = self._clock.monotonic()
        if began >= self._stale_at:
            self._forecasts = {}
        anew = not self._forecasts
        answer = await in_turns(engine.explain(ids, self._clock.now(), self._forecasts))
        if anew:
            ended = self._clock.monotonic()
            self._stale_at = ended + max(FRESH_S, ended - began)
        return answer

    def _thought(self, answer: asyncio.Future[Sequence[Explanation]]) -> None:
        self._thinking.release()
        if not answer.cancelled():
            answer.exception()  # Nobody else may ask for it.

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
