"""Order by what is expected, and what the engine may know for it."""

from dataclasses import replace
from random import Random

import pytest

from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import NodeSpec, NodeUp, SetPolicy
from scheduler_service.domain.scheduling.policy import DurationSource, HeadRule, Policy
from scheduler_service.domain.scheduling.requests import SECOND, Shape
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import Run
from scheduler_service.simulate.trace.trace import Durations, Trace, Traits
from tests.unit.scheduler_service.engine.cluster import Cluster

HOUR = 3_600
PREDICTED = Policy(
    order=("ssf",),
    head=HeadRule.SKIP,
    placement="best_fit",
    durations=DurationSource.PREDICTION,
    ageing=0,
)


def cluster() -> Cluster:
    """One node, ordered by predicted service."""
    it = Cluster(PREDICTED)
    it.engine = Engine(PREDICTED, History())
    it.tell(NodeUp(NodeSpec("n0", model="A100")))
    return it


def test_who_was_short_before_goes_first() -> None:
    """A team whose runs took a minute goes before one whose runs took an hour."""
    it = cluster()
    it.submit("red0", 8, team="red")
    it.submit("blue0", 8, team="blue")
    it.finish("red0", at=HOUR)
    it.finish("blue0", at=HOUR + 60)
    it.submit("busy", 8, at=2 * HOUR, team="green")
    it.submit("red1", 8, at=2 * HOUR, team="red")
    it.submit("blue1", 8, at=2 * HOUR, team="blue")
    assert it.finish("busy", at=3 * HOUR) == ["blue1"]


def test_what_waits_learns_from_what_ends_meanwhile() -> None:
    """When the first of a burst is over in no time, the rest goes before what came earlier."""
    it = cluster()
    it.submit("known0", 4, team="known")
    it.finish("known0", at=HOUR)
    it.submit("long", 8, at=2 * HOUR, team="known")
    it.submit("known1", 4, team="known")
    for number in range(6):
        it.submit(f"burst{number}", 4, team="new")
    assert it.finish("long", at=5 * HOUR) == ["known1", "burst0"]
    assert it.finish("burst0", at=5 * HOUR + 10) == ["burst1"]
    expected = {it.engine.jobs[f"burst{number}"].expected for number in range(2, 6)}
    assert len(expected) == 1
    assert expected.pop() < it.engine.jobs["known1"].expected  # type: ignore[operator]


def test_another_policy_expects_what_its_own_source_says() -> None:
    """From predictions to estimates: everything that waits is asked about anew."""
    it = cluster()
    it.submit("red0", 8, team="red")
    it.finish("red0", at=60)
    it.submit("busy", 8, team="red")
    it.submit("red1", 8, team="red", estimate=7)
    assert it.engine.jobs["red1"].expected == 60 * SECOND
    it.tell(SetPolicy(replace(PREDICTED, durations=DurationSource.ESTIMATE)))
    assert it.engine.jobs["red1"].expected == 7 * SECOND


@pytest.mark.parametrize("seed", range(6))
def test_no_decision_depends_on_how_long_unfinished_work_will_take(seed: int) -> None:
    """What ends after a time may take as long as it likes: every start before it is the same."""
    random = Random(seed)
    jobs = [
        (
            random.randrange(20 * HOUR),
            random.choice([30, 600, random.randrange(1, 12 * HOUR)]),
            Shape(devices=random.choice([1, 1, 1, 2, 4, 8])),
            Traits(team=random.choice("abc")),
        )
        for _ in range(300)
    ]
    jobs.sort(key=lambda job: job[0])
    until = 12 * HOUR
    starts, ends = _play(jobs, until)
    changed = [
        (at, duration if 0 <= end <= until * SECOND else duration + 3 * until, shape, traits)
        for (at, duration, shape, traits), end in zip(jobs, ends, strict=True)
    ]
    assert changed != jobs
    assert _play(changed, until)[0] == starts


def _play(
    jobs: list[tuple[int, int, Shape, Traits]], until: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """Lets a trace run until a time; says what had started by then, and which jobs ended when."""
    trace = Trace("test")
    for at, duration, shape, traits in jobs:
        trace.add(at * SECOND, duration * SECOND, shape, traits)
    nodes = inventory.parse("2x8")
    run = Run(trace, nodes, Engine(PREDICTED, History()), Durations.UNKNOWN)
    run.add_nodes(nodes)
    while run.advance():
        pass
    starts = enumerate(run.outcome.first_starts)
    early = [(job, start) for job, start in starts if 0 <= start <= until * SECOND]
    return early, list(run.outcome.ends)
