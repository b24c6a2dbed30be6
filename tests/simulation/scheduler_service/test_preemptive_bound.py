"""With preemption nobody waits long for what has not aged itself."""

from random import Random

import pytest

from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.policy import HeadRule, Policy, PreemptionRules
from scheduler_service.domain.scheduling.requests import SECOND, Shape
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import Run
from scheduler_service.simulate.outcome import Outcome
from scheduler_service.simulate.trace.trace import Durations, Trace, Traits

HOUR = 3_600 * SECOND
AGEING = 3 * HOUR
LONGEST = 2 * HOUR
GUARANTEED, COST, GRAIN = 600 * SECOND, 60 * SECOND, 60 * SECOND
POLICY = Policy(
    order=("las_levels", "fifo"),
    head=HeadRule.SKIP,
    placement="best_fit",
    ageing=AGEING,
    preemption=PreemptionRules(
        by_order=True, minimum_runtime=GUARANTEED, cost=COST, per_job_and_day=1_000
    ),
    options=(("las_first", 0.25),),
)


@pytest.mark.parametrize("seed", range(12))
def test_what_has_aged_stops_everything_but_what_aged_before(seed: int) -> None:
    """All waits of a job together: the bound, a guaranteed time, and a run for each aged before.

    More work arrives than the nodes can do, so that long jobs are stopped for short ones until
    they age.
    """
    random = Random(seed)
    trace = Trace("random")
    for at in sorted(random.randrange(10 * HOUR) for _ in range(260)):
        duration = random.choice([600 * SECOND, random.randrange(60 * SECOND, LONGEST)])
        trace.add(at, duration, Shape(devices=random.choice([1, 1, 2, 4, 8])), Traits())
    waits = _waits(trace, _play(trace))
    aged = sorted(job for job, wait in enumerate(waits) if wait > AGEING)
    assert aged, "nothing had to age"
    for before, job in enumerate(aged):
        allowed = AGEING + GUARANTEED + GRAIN + before * (LONGEST + GUARANTEED)
        assert waits[job] <= allowed, job


def _play(trace: Trace) -> Outcome:
    nodes = inventory.parse("2x8")
    run = Run(trace, nodes, Engine(POLICY), Durations.UNKNOWN)
    run.add_nodes(nodes)
    while run.advance():
        pass
    return run.outcome


def _waits(trace: Trace, outcome: Outcome) -> list[int]:
    """Time in which each job neither ran nor did again what it had lost."""
    return [
        outcome.ends[job] - trace.submits[job] - trace.durations[job] - COST * stops
        for job, stops in enumerate(outcome.preempted)
    ]
