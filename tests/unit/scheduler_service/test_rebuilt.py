"""An engine that is rebuilt in the middle of a history goes on as if it had never stopped."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_service.domain import workload as verbs
from scheduler_service.domain.engine import Cancelled, Decisions, Finished, NodeUp, Submitted
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.memories import present, remembered
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.scheduling.policy import (
    DurationSource,
    FairShare,
    HeadRule,
    Policy,
    PreemptionRules,
)
from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.domain.spec import PriorityClass, WorkloadSpec
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.values import replace
from tests.scheduler_examples import SUCCEEDED

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CLASSES = (PriorityClass.LOW, PriorityClass.MEDIUM, PriorityClass.HIGH)
BY_PRIORITY = PreemptionRules(
    by_priority=True, minimum_runtime=60 * SECOND, cost=30 * SECOND, per_job_and_day=2
)
POLICIES = {
    "fair share": Policy(
        ("fifo",), HeadRule.SKIP, fair_share=FairShare(enabled=True, half_life=3_600 * SECOND)
    ),
    "preemption": Policy(("priority", "fifo"), preemption=BY_PRIORITY),
    "least attained service": Policy(
        ("las", "fifo"),
        HeadRule.SKIP,
        preemption=PreemptionRules(
            by_order=True, minimum_runtime=60 * SECOND, cost=30 * SECOND, per_job_and_day=3
        ),
    ),
}


class Life:
    """Workloads as a service keeps them, and engines that hear of them.

    What is preempted comes again at once, as the next attempt of its job.
    """

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.chance = random.Random(seed)
        self.now = BEGIN
        self.workloads: dict[str, Workload] = {}
        self.engines = [self.new_engine()]
        self.preemptions = 0

    def new_engine(self) -> LiveEngine:
        """An engine that knows the nodes."""
        engine = LiveEngine({"": self.policy})
        for name in ("n0", "n1"):
            engine.apply(NodeUp(Node(name, name, "p", "local", ResourceType.GPU, "A100", 4)))
        return engine

    def restart(self) -> None:
        """Adds an engine that was rebuilt from what is on record."""
        engine = self.new_engine()
        its = list(self.workloads.values())
        past = sorted((it for it in its if it.ended_at and it.started_at), key=_ended)
        running = [it for it in its if it.state is WorkloadState.RUNNING]
        queued = [it for it in its if it.state is WorkloadState.QUEUED]
        for event in (*remembered(past, running), *present(running, queued)):
            engine.apply(event)
        self.engines.append(engine)
        self.decide()

    def step(self, number: int) -> None:
        """Something happens, and every engine says the same about it."""
        self.now += timedelta(seconds=self.chance.randint(1, 120))
        running = [it.spec.id for it in self.workloads.values() if it.state == "running"]
        if running and self.chance.random() < 0.45:
            self.end(self.chance.choice(running))
        else:
            self.submit(f"j{number}", 1)
        self.decide()

    def decide(self) -> None:
        """Every engine says the same about what should happen now."""
        decided = [engine.plan(self.now) for engine in self.engines]
        assert all(decided[0] == other for other in decided[1:])
        self.carry_out(decided[0])

    def submit(self, job_id: str, attempt: int, like: WorkloadSpec | None = None) -> None:
        """Submits a job, or the next attempt of one that was preempted."""
        spec = like or WorkloadSpec(
            id="",
            job_id=job_id,
            owner_id=self.chance.choice("abc"),
            team=self.chance.choice(("red", "blue")),
            priority_class=self.chance.choice(CLASSES),
            preemptible=self.chance.random() < 0.8,
            demand=Demand(count=self.chance.choice((1, 1, 2, 4))),
        )
        spec = replace(spec, id=f"{job_id}/{attempt}", attempt=attempt)
        self.workloads[spec.id] = Workload(spec=spec, enqueued_at=self.now)
        for engine in self.engines:
            engine.apply(Submitted(spec, self.now))

    def end(self, workload_id: str) -> None:
        """Ends a run by itself or, seldom, by its caller."""
        workload, by_itself = self.workloads[workload_id], self.chance.random() < 0.8
        if by_itself:
            ended, _ = verbs.finish(workload, SUCCEEDED, timedelta(), self.now)
        else:
            ended = verbs.cancel(workload, "", timedelta(), self.now)[0]
        self.workloads[workload_id] = ended
        for engine in self.engines:
            engine.apply(Finished(workload_id) if by_itself else Cancelled(workload_id))

    def carry_out(self, decided: Decisions) -> None:
        """Does what was decided."""
        for stop in decided.preemptions:
            self.preemptions += 1
            workload = self.workloads[stop.workload_id]
            stopped, _ = verbs.preempt(
                workload, stop.preemptor_id, stop.cause, timedelta(), self.now
            )
            self.workloads[stop.workload_id] = stopped
        for start in decided.starts:
            workload = self.workloads[start.workload_id]
            started, _ = verbs.start(workload, "a", start.placement, self.now)
            self.workloads[start.workload_id] = started
        for stop in decided.preemptions:
            spec = self.workloads[stop.workload_id].spec
            self.submit(spec.job_id, spec.attempt + 1, spec)


def _ended(it: Workload) -> datetime:
    assert it.ended_at is not None
    return it.ended_at


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("policy", POLICIES)
def test_a_restart_changes_no_decision(policy: str, seed: int) -> None:
    """Shares, preemptions per day and attained service are those of the first engine."""
    life = Life(POLICIES[policy], seed)
    for number in range(400):
        if number in (150, 300):
            life.restart()
        life.step(number)
    assert policy == "fair share" or life.preemptions > 20


def ran(workload_id: str, minutes: int, arrived: datetime, **fields: Any) -> Iterator[Workload]:
    """A run that took so many minutes."""
    spec = WorkloadSpec(id=workload_id, owner_id="ada", **fields)
    waiting = Workload(spec=spec, enqueued_at=arrived)
    engine = LiveEngine({"": Policy()})
    engine.apply(NodeUp(Node("n", "n", "p", "local", ResourceType.GPU, "A100", 1)))
    engine.apply(Submitted(spec, arrived))
    placement = engine.plan(arrived).starts[0].placement
    running, _ = verbs.start(waiting, "a", placement, arrived)
    until = arrived + timedelta(minutes=minutes)
    yield verbs.finish(running, SUCCEEDED, timedelta(minutes=minutes), until)[0]


def test_a_rebuilt_engine_has_learned_durations() -> None:
    """It predicts as the first one would: the short job of a known user goes first."""
    policy = Policy(("sjf", "fifo"), durations=DurationSource.PREDICTION)
    engine = LiveEngine({"": policy})
    engine.apply(NodeUp(Node("n", "n", "p", "local", ResourceType.GPU, "A100", 1)))
    past = [
        it
        for name, minutes in (("long", 600), ("short", 1))
        for it in ran(f"past {name}", minutes, BEGIN, name=name)
    ]
    for event in remembered(past, ()):
        engine.apply(event)
    now = BEGIN + timedelta(days=1)
    for name in ("long", "short"):
        spec = WorkloadSpec(id=f"new {name}", owner_id="ada", name=name)
        engine.apply(Submitted(spec, now))
    assert ["new short"] == [it.workload_id for it in engine.plan(now).starts]


def test_what_was_lost_with_its_node_counts_as_no_preemption() -> None:
    """Nor does a clock that was set back confuse what is told."""
    [finished] = ran("w", 10, BEGIN, job_id="j")
    lost = replace(
        finished,
        state=WorkloadState.PREEMPTED,
        cause=PreemptionCause.NODE_LOST,
        ended_at=BEGIN - timedelta(days=1),
    )
    once = PreemptionRules(by_priority=True, minimum_runtime=0, per_job_and_day=1)
    engine = LiveEngine({"": Policy(preemption=once)})
    engine.apply(NodeUp(Node("n", "n", "p", "local", ResourceType.GPU, "A100", 1)))
    for event in remembered([lost], ()):
        engine.apply(event)
    engine.apply(Submitted(WorkloadSpec(id="again", job_id="j", preemptible=True), BEGIN))
    engine.plan(BEGIN)
    high = WorkloadSpec(id="high", priority_class=PriorityClass.HIGH)
    engine.apply(Submitted(high, BEGIN))
    assert ["again"] == [it.workload_id for it in engine.plan(BEGIN).preemptions]
