"""Questions are thought about in turns with everything else."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest

from scheduler_service.domain.last_hour import LastHour
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import WorkloadSpec
from scheduler_service.entrypoints.foresight import FRESH_S, TURN_S, EngineForesight, in_turns
from servicekit.clock import ManualClock, SystemClock
from servicekit.errors import Unavailable


async def test_others_have_their_turn_while_a_question_is_thought_about() -> None:
    """A long answer ends only because something else runs in between."""
    said = asyncio.Event()

    def steps() -> Steps[str]:
        while not said.is_set():
            yield
        return "answer"

    thinking = asyncio.create_task(in_turns(steps()))
    await asyncio.sleep(0)
    said.set()
    assert "answer" == await thinking


async def test_what_a_question_raises_reaches_who_asked() -> None:
    """The answer may be a refusal."""

    def steps() -> Steps[str]:
        yield
        raise Unavailable("not now")

    with pytest.raises(Unavailable, match="not now"):
        await in_turns(steps())


class Engine(LiveEngine):
    """Notes when it thinks, which takes it several turns."""

    def __init__(self) -> None:
        super().__init__()
        self.thoughts: list[str] = []

    def explain(self, workload_ids: Sequence[str], now: Any, forecasts: Any = None) -> Steps[Any]:
        """Thinks until everything else has had ten turns."""
        for _ in range(10):
            self.thoughts += workload_ids
            until = perf_counter() + TURN_S
            while perf_counter() < until:
                yield
        return workload_ids


async def test_one_question_is_thought_about_at_a_time() -> None:
    """The second waits for the first, so that a hundred do not share one core; none is lost."""
    engine = Engine()

    async def there() -> LiveEngine:
        return engine

    foresight = EngineForesight(there, LastHour(), SystemClock())
    asked = [asyncio.create_task(foresight.explain([name])) for name in "abc"]
    await asyncio.sleep(0)
    asked[1].cancel()
    await asyncio.wait(asked)
    assert ["a"] * 10 + ["c"] * 10 == engine.thoughts


class Predicting(LiveEngine):
    """Predicts within ten turns, unless it is told what was predicted."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.times = asyncio.Event(), 0

    def explain(self, workload_ids: Sequence[str], now: Any, forecasts: Any = None) -> Steps[Any]:
        """Thinks as long as it takes."""
        if not forecasts:
            self.begun.set()
            self.times += 1
            for _ in range(10):
                until = perf_counter() + TURN_S
                while perf_counter() < until:
                    yield
            forecasts["pool"] = ()
        return workload_ids


async def test_what_somebody_in_a_hurry_gives_up_is_worked_out_for_the_next() -> None:
    """Else nobody would ever be told; and it is used until it is as old as predicting took."""
    engine, clock = Predicting(), ManualClock()

    async def there() -> LiveEngine:
        return engine

    foresight = EngineForesight(there, LastHour(), clock)
    asking = asyncio.create_task(foresight.explain(["a"]))
    await engine.begun.wait()
    asking.cancel()
    await foresight.explain(["b"])
    assert 1 == engine.times
    clock.advance(timedelta(seconds=FRESH_S))
    await foresight.explain(["c"])
    assert 2 == engine.times


async def test_questions_wait_for_an_engine_together() -> None:
    """Not one after the other, as they do for their turn to be thought about."""
    asked, all_asked = 0, asyncio.Event()

    async def missing() -> LiveEngine:
        nonlocal asked
        asked += 1
        if asked == 3:
            all_asked.set()
        await all_asked.wait()
        raise Unavailable("not yet")

    foresight = EngineForesight(missing, LastHour(), SystemClock())
    spec = WorkloadSpec(id="")
    questions = (foresight.explain(["a"]), foresight.quote(spec), foresight.recommend(spec))
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*questions, return_exceptions=True)
    assert [Unavailable] * 3 == [type(it) for it in answers]


async def test_an_engine_that_does_not_come_is_an_answer_too() -> None:
    """Whoever asks is told, and the next may ask."""

    async def missing() -> LiveEngine:
        raise Unavailable("The scheduler is reading its queue; try again shortly.")

    foresight = EngineForesight(missing, LastHour(), SystemClock())
    for _ in range(2):
        with pytest.raises(Unavailable, match="reading its queue"):
            await foresight.explain(["a"])
