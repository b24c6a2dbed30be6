"""The simulated backend under a clock that the test moves."""

import asyncio
from datetime import timedelta

import pytest

from scheduler_service.adapters.simulated import SimulatedBackend
from scheduler_service.application.ports import Run
from scheduler_service.domain.spec import Program, Simulation, WorkloadSpec
from servicekit.clock import ManualClock, SystemClock
from tests.scheduler_examples import NOW, placement

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at NOW."""
    return ManualClock(NOW)


@pytest.fixture
def backend(clock: ManualClock) -> SimulatedBackend:
    """A backend whose time passes ten times as fast."""
    return SimulatedBackend(clock, speed=10, seed="s", failure_rate=0)


def run(name: str, seconds: float, started: timedelta = timedelta()) -> Run:
    """A run of so many virtual seconds."""
    simulation = Simulation(timedelta(seconds=seconds))
    spec = WorkloadSpec(id=f"workload {name}")
    return Run(name, spec, Program(), simulation, placement(0), NOW + started)


def ended(backend: SimulatedBackend) -> list[str]:
    """The allocations of the runs that have ended since the last look."""
    return [it.run.allocation_id for it in backend.collect()]


async def test_runs_end_when_their_virtual_time_is_over(
    backend: SimulatedBackend, clock: ManualClock
) -> None:
    """Each once, in the order of their ends, many at once, after exactly their duration."""
    await backend.start([run("late", 30), run("early", 10), run("zero", 0)])
    assert ["zero"] == ended(backend)
    clock.advance(SECOND / 2)
    assert [] == ended(backend)
    clock.advance(3 * SECOND)
    results = backend.collect()
    assert ["early", "late"] == [it.run.allocation_id for it in results]
    assert [10 * SECOND, 30 * SECOND] == [it.ran for it in results]
    assert [] == ended(backend)


async def test_starting_again_goes_on_where_the_run_was(
    backend: SimulatedBackend, clock: ManualClock
) -> None:
    """A repeat changes nothing, and a new backend takes the time since the start into account."""
    await backend.start([run("a", 20)])
    clock.advance(SECOND)
    await backend.start([run("a", 20)])
    restarted = SimulatedBackend(clock, speed=10, seed="s", failure_rate=0)
    await restarted.start([run("a", 20)])
    clock.advance(SECOND)
    for each in (backend, restarted):
        assert ["a"] == ended(each)
        assert [] == ended(each)


async def test_a_run_that_was_over_before_the_restart_ends_at_once(
    backend: SimulatedBackend, clock: ManualClock
) -> None:
    """With its own duration, however long the process was away."""
    clock.advance(1000 * SECOND)
    await backend.start([run("a", 20)])
    assert [20 * SECOND] == [it.ran for it in backend.collect()]


async def test_a_clock_that_was_set_back_does_not_prolong_a_run(
    backend: SimulatedBackend, clock: ManualClock
) -> None:
    """A start in the future is a start now."""
    await backend.start([run("a", 10, started=100 * SECOND)])
    clock.advance(SECOND)
    assert ["a"] == ended(backend)


async def test_how_long_a_run_ran_is_measured_in_virtual_time(
    backend: SimulatedBackend, clock: ManualClock
) -> None:
    """Measuring changes nothing, stopping ends the run; what does not run here has no answer."""
    await backend.start([run("a", 100), run("b", 5)])
    clock.advance(3 * SECOND)
    expected = {"a": 30 * SECOND, "b": 5 * SECOND}
    assert expected == await backend.ran(["a", "b", "unknown"])
    assert expected == await backend.stop(["a", "b", "unknown"])
    clock.advance(100 * SECOND)
    assert [] == ended(backend)
    assert {} == await backend.stop(["a"])


async def test_stopped_runs_are_not_kept_until_their_time(backend: SimulatedBackend) -> None:
    """Starting and stopping long runs for ever needs no more memory than a few thousand of them."""
    for number in range(5_000):
        await backend.start([run(f"{number}", 1e6)])
        await backend.stop([f"{number}"])
    assert len(backend._ends) <= 1_001


async def test_whoever_waits_is_woken_by_a_start_and_by_an_end() -> None:
    """The wait ends as soon as a run does, also one that was started during the wait."""
    backend = SimulatedBackend(SystemClock(), speed=1e6, seed="s", failure_rate=0)
    async with asyncio.timeout(30):
        waiting = asyncio.create_task(_first(backend))
        started = SystemClock().now()
        await backend.start(
            [
                Run(
                    "a",
                    WorkloadSpec(id="w"),
                    Program(),
                    Simulation(timedelta(hours=10)),
                    placement(0),
                    started,
                )
            ]
        )
        assert "a" == await waiting


async def _first(backend: SimulatedBackend) -> str:
    return (await backend.finished())[0].run.allocation_id
