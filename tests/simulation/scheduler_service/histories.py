"""Seeded random histories of a small cluster: arrivals, ends, cancellations, nodes that fail."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.events import (
    Cancel,
    Event,
    Finish,
    NodeDown,
    NodeDrain,
    NodeRetire,
    NodeSpec,
    NodeUp,
    SetPolicy,
    Submit,
    Tick,
)
from scheduler_service.domain.scheduling.explain import explain_all
from scheduler_service.domain.scheduling.forecast import View
from scheduler_service.domain.scheduling.policy import (
    FairShare,
    HeadRule,
    Policy,
    PreemptionRules,
    TeamQuota,
)
from scheduler_service.domain.scheduling.quote import Quote, quote
from scheduler_service.domain.scheduling.record import Recorder
from scheduler_service.domain.scheduling.requests import RANKS, SECOND, Request, Shape
from scheduler_service.domain.scheduling.steps import Steps, finished
from tests.simulation.scheduler_service.world import World

TEAMS = ("", "red", "green", "blue")
MODELS = ("A100", "T4")
STEPS = 60
_ANSWERED = object()


@dataclass
class History:
    """One history, driven step by step, with the world's judgement after each.

    Attributes:
        asks: whether somebody wants to know between steps why things wait and what else would.
    """

    seed: int
    asks: bool = False
    lines: list[str] = field(default_factory=list)
    preemptions: int = 0
    starts: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.thinking: Steps[Quote] | None = None
        self.world = World()
        self.now = self.last = 0
        self.submitted = 0
        self.recorder = Recorder(self.lines.append, policy(self.random))
        self.specs = list(_specs(self.random))

    def run(self) -> None:
        """Lives through the whole history, and then lets everything end."""
        self._step([NodeUp(spec) for spec in self.specs])
        for _ in range(STEPS):
            self.now += self.random.randrange(0, 400) * SECOND
            self._step([self._event() for _ in range(self.random.choice((1, 1, 1, 2, 5)))])
        self._let_end()

    def _let_end(self) -> None:
        """With all nodes up and nothing new, everything that waits gets its turn."""
        self._step([NodeUp(spec) for spec in self.specs])
        for _ in range(4 * self.submitted + 10):
            if not self.world.waiting and not self.world.running:
                return
            self.now += 3_600 * SECOND
            self._step([Finish(job_id) for job_id in self.world.running] or [Tick()])
        raise AssertionError(f"{sorted(self.world.waiting)} never started")

    def _step(self, events: list[Event]) -> None:
        if self.asks:
            self._ask()
        for event in events:
            self.world.told(event)
        for decision in self.recorder.step(self.now, events):
            self._count(decision)
            self.world.decided(decision)
        self.world.assert_holds(self.recorder.engine, self.now)
        self.last = self.now

    def _ask(self) -> None:
        engine, random = self.recorder.engine, Random(self.now)
        at = random.randint(self.last, self.now)
        finished(explain_all(engine, list(engine.jobs), at))
        finished(self._quote(random, at))
        # One more question is thought about for several steps.
        if self.thinking is None:
            self.thinking = self._quote(random, at)
        for _ in range(random.randrange(20)):
            if next(self.thinking, _ANSWERED) is _ANSWERED:
                self.thinking = None
                break

    def _quote(self, random: Random, at: int) -> Steps[Quote]:
        engine = self.recorder.engine
        known = random.choice(["asked", *engine.jobs])
        return quote(engine, View(), Request(known, shape(random), at, "red", "u1"), at)

    def _count(self, decision: Decision) -> None:
        self.preemptions += isinstance(decision, Preempt)
        self.starts += isinstance(decision, Start)

    def _event(self) -> Event:
        random = self.random
        kind = random.choices(
            ("submit", "finish", "cancel", "down", "drain", "up", "retire", "policy", "tick"),
            (50, 25, 6, 3, 3, 8, 0.2, 2, 3),
        )[0]
        if kind == "finish" and self.world.running:
            return Finish(random.choice(list(self.world.running)))
        if kind == "cancel" and self.submitted:
            return Cancel(f"w{random.randrange(self.submitted)}")
        if kind in ("down", "drain", "up", "retire"):
            spec = random.choice(self.specs)
            if kind == "up":
                return NodeUp(spec)
            if kind == "down":
                return NodeDown(spec.id)
            return NodeDrain(spec.id) if kind == "drain" else NodeRetire(spec.id)
        if kind == "policy":
            return SetPolicy(policy(random), random.choice(("", "p", "q")))
        if kind == "tick":
            return Tick()
        self.submitted += 1
        return Submit(self._request(f"w{self.submitted - 1}"))

    def _request(self, job_id: str) -> Request:
        random = self.random
        seconds = random.choice((60, 600, 3_600))
        return Request(
            job_id,
            shape(random),
            self.now,
            team=random.choice(TEAMS),
            user=f"u{random.randrange(3)}",
            priority=RANKS * random.randrange(3) + random.randrange(2),
            preemptible=random.random() < 0.6,
            estimate=random.choice((None, seconds * SECOND)),
            limit=random.choice((None, 2 * seconds * SECOND)),
        )


def shape(random: Random) -> Shape:
    """Some demand: whole devices, a share, a gang, one that may be split, or cores alone."""
    pool = random.choice(("", "p", "q"))
    cpu, memory = random.choice((0, 0, 4_000)), random.choice((0, 0, 8_192))
    models = random.choice(((), (), ("A100",), ("T4",), ("T4", "A100")))
    kind = random.choice((0, 1, 3, 4))
    if kind == 0:
        milli = random.randrange(1, 1000)
        return Shape(milli=milli, models=models, pool=pool, cpu=cpu, memory=memory)
    if kind == 1:
        devices, nodes = random.randrange(1, 4), random.randrange(2, 4)
        return Shape(devices=devices, nodes=nodes, models=models, pool=pool, cpu=cpu, memory=memory)
    if kind == 2:
        return Shape(devices=random.randrange(1, 14), split=True, pool=pool)
    if kind == 3:
        cores = random.randrange(1, 12) * 1_000
        return Shape(resource_type=ResourceType.CPU, devices=0, cpu=cores, pool=pool)
    ranked = random.random() < 0.5
    devices = random.randrange(1, 5)
    return Shape(devices=devices, models=models, ranked=ranked, pool=pool, cpu=cpu, memory=memory)


def policy(random: Random) -> Policy:
    """Some policy."""
    quotas = tuple(
        TeamQuota(team, random.randrange(0, 9) * 1_000, random.choice((None, 20_000)))
        for team in random.sample(TEAMS, random.choice((0, 0, 4)))
    )
    return Policy(
        order=(*random.choice(((), ("priority",))), random.choice(sorted(ORDERS))),
        head=random.choice(list(HeadRule)),
        backfill_depth=random.choice((1, 5, 100)),
        placement=random.choice(sorted(PLACEMENTS)),
        seed=random.randrange(10),
        ageing=random.choice((0, 900 * SECOND, 7_200 * SECOND)),
        fair_share=FairShare(random.random() < 0.3, 3_600 * SECOND, (("red", 2.0),)),
        preemption=PreemptionRules(
            by_priority=random.random() < 0.5,
            by_reclaim=random.random() < 0.5,
            by_order=random.random() < 0.3,
            minimum_runtime=random.choice((0, 300 * SECOND)),
            cost=random.choice((0, 60 * SECOND)),
        ),
        quotas=quotas,
    )


def _specs(random: Random) -> Iterator[NodeSpec]:
    for pool in ("p", "q"):
        for number in range(random.randrange(2, 6)):
            yield NodeSpec(
                f"{pool}{number}",
                pool,
                resource_type=ResourceType.GPU,
                model=random.choice(MODELS),
                devices=random.choice((2, 4, 8)),
                cpu=random.choice((0, 16_000)),
                memory=random.choice((0, 65_536)),
            )


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        history = History(seed)
        history.run()
        print(seed, history.recorder.digest)
