"""Small histories, worked out by hand, through the engine in virtual time."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from scheduler_service.domain.scheduling.policy import HeadRule, Policy, PreemptionRules
from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.outcome import Outcome
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.trace import Durations, Trace, Traits

RESTART_S = 5


def trace_of(*jobs: tuple[int, int, int]) -> Trace:
    """Jobs by the second of their submission, seconds of service, and GPUs."""
    trace = Trace("by hand")
    for submitted, duration, gpus in jobs:
        trace.add(submitted * SECOND, duration * SECOND, whole(gpus, 8), Traits(name=f"{gpus}"))
    return trace


def run(
    nodes: str,
    policy: Policy,
    *jobs: tuple[int, int, int],
    durations: Durations = Durations.KNOWN,
) -> Outcome:
    """Simulates jobs on nodes."""
    return simulate(trace_of(*jobs), inventory.parse(nodes), policy, durations=durations)


def seconds(times: Iterable[int]) -> list[float]:
    """Times of an outcome in seconds."""
    return [time / SECOND for time in times]


def named(name: str) -> Policy:
    """A named policy with the placement that the published results were made with."""
    return replace(POLICIES[name], placement="consolidate")


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        ("fifo", [0, 10, 10]),
        ("fifo-skip", [0, 10, 2]),
        ("easy", [0, 10, 2]),
    ],
)
def test_what_happens_behind_a_head_that_does_not_fit(policy: str, starts: list[float]) -> None:
    """It blocks, or is passed over; here a small job fits beside the first without delay."""
    outcome = run("1x8", named(policy), (0, 10, 6), (1, 10, 4), (2, 30, 2))

    assert starts == seconds(outcome.first_starts)


def test_backfill_does_not_delay_the_head() -> None:
    """What would still hold what the first one waits for stays behind it; skipping starts it."""
    jobs = (0, 10, 6), (1, 10, 8), (2, 30, 2)

    assert [0, 10, 20] == seconds(run("1x8", named("easy"), *jobs).first_starts)
    assert [0, 32, 2] == seconds(run("1x8", named("fifo-skip"), *jobs).first_starts)


def test_what_ends_makes_room_at_once() -> None:
    """Ends come before submissions of the same instant."""
    outcome = run("1x8", named("fifo"), (0, 10, 8), (10, 5, 8))

    assert [0, 10] == seconds(outcome.first_starts)
    assert [10, 15] == seconds(outcome.ends)


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        ("fifo", [0, 10, 15, 35]),
        # Two seconds, five seconds, twenty.
        ("sjf", [0, 12, 17, 10]),
        # 16, 20 and 40 GPU-seconds; the last of them needs the whole node.
        ("ssf", [0, 32, 12, 10]),
    ],
)
def test_orders(policy: str, starts: list[float]) -> None:
    """In order of submission, of duration, of duration times devices."""
    outcome = run("1x8", named(policy), (0, 10, 8), (1, 5, 8), (2, 20, 1), (3, 2, 8))

    assert starts == seconds(outcome.first_starts)


def test_equal_jobs_go_in_the_order_of_their_arrival() -> None:
    """Also where they arrive at one instant."""
    outcome = run("1x8", named("sjf"), (0, 5, 8), (0, 5, 8), (0, 5, 8))

    assert [0, 5, 10] == seconds(outcome.first_starts)


def test_unknown_durations_order_nothing() -> None:
    """Without any knowledge the shortest job is the first one."""
    jobs = (0, 10, 8), (1, 20, 8), (2, 1, 8)
    outcome = run("1x8", named("sjf"), *jobs, durations=Durations.UNKNOWN)

    assert [0, 10, 30] == seconds(outcome.first_starts)


def test_more_devices_than_a_node_has() -> None:
    """12 GPUs are a whole idle node and four of another: two nodes of 8 hold it once, not twice."""
    outcome = run("2x8", named("fifo"), (0, 10, 12), (0, 10, 12), (0, 10, 4))

    assert [0, 10, 10] == seconds(outcome.first_starts)


def test_what_can_never_run_is_refused() -> None:
    """It waits for nothing and keeps nobody waiting."""
    outcome = run("1x8", named("fifo"), (0, 10, 16), (1, 10, 8))

    assert [-1, SECOND] == list(outcome.first_starts)
    assert [0] == list(outcome.refused)
    assert 2 == outcome.decisions


def repacking(order: str, cost: int = RESTART_S * SECOND) -> Policy:
    """Muri's rules with one price for all restarts."""
    return Policy(
        order=(order,),
        head=HeadRule.SKIP,
        placement="first_fit",
        ageing=0,
        preemption=PreemptionRules(repack=True, minimum_runtime=0, cost=cost),
    )


def test_the_shorter_rest_goes_first() -> None:
    """At 50 s the first has served 45 s and 55 s are left, more than the 10 s of the second."""
    outcome = run("1x8", repacking("sjf"), (0, 100, 8), (50, 10, 8))

    assert [115, 60] == seconds(outcome.ends)
    assert [1, 0] == list(outcome.preempted)
    assert RESTART_S * SECOND * 8_000 == outcome.lost


def test_who_stays_pays_as_well() -> None:
    """At 50 s 55 s are left to the first, less than the 100 s of the second: it goes on."""
    outcome = run("1x8", repacking("sjf"), (0, 100, 8), (50, 100, 8))

    assert [105, 205] == seconds(outcome.ends)
    assert [0, 0] == list(outcome.preempted)


def test_nobody_pays_more_than_it_did() -> None:
    """Between 50 s and 52 s the first did two seconds of work, and loses two and not five."""
    outcome = run("1x8", repacking("sjf"), (0, 100, 8), (50, 200, 8), (52, 300, 8))

    assert 107 == outcome.ends[0] / SECOND


def test_service_counts_with_its_devices() -> None:
    """80 s on one GPU are less than 20 s on eight."""
    outcome = run("1x8", repacking("ssf", 0), (0, 80, 1), (0, 20, 8))

    assert [80, 100] == seconds(outcome.ends)
    assert [100, 20] == seconds(run("1x8", repacking("sjf", 0), (0, 80, 1), (0, 20, 8)).ends)


def test_the_price_of_a_restart_by_name_and_devices() -> None:
    """A table in the policy's options goes before the general price."""
    rules = replace(repacking("sjf").preemption, options=(("8 x 8", 20.0),))
    policy = replace(repacking("sjf"), preemption=rules)
    outcome = run("1x8", policy, (0, 100, 8), (50, 10, 8))

    assert [130, 60] == seconds(outcome.ends)


def test_queue_and_use_over_time() -> None:
    """Means over spans: two jobs of ten seconds on one node, the second waits for the first."""
    outcome = run("1x8", named("fifo"), (0, 10, 8), (0, 10, 4))
    points = outcome.timeline.points()

    assert [
        (0.5 + at, float(at < 10), 8_000.0 if at < 10 else 4_000.0) for at in range(20)
    ] == points


def test_progress_is_told() -> None:
    """The last word is that all have ended."""
    told: list[int] = []
    simulate(trace_of((0, 1, 1)), inventory.parse("1x1"), named("fifo"), on_progress=told.append)

    assert 1 == told[-1]
