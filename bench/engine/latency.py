"""How long one step takes when one thing has changed and very many wait."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bench.engine import workloads
from bench.load.meter import quantile
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.decisions import Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Cancel, Event, Finish, NodeUp, Submit
from scheduler_service.domain.scheduling.policy import FairShare, Policy, PreemptionRules, TeamQuota
from scheduler_service.domain.scheduling.requests import RANKS, SECOND, Request
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace.trace import Durations

STEPS = 1_000
"""Of each kind."""

BETWEEN = SECOND // 10
"""Between two submissions, so that few have waited too long when the measurement begins."""

USERS, TEAMS = 200, 20

_FAIR = replace(POLICIES["default"], fair_share=FairShare(enabled=True))
_STOPPING = PreemptionRules(cost=60 * SECOND)
_OWN = workloads.NODES * workloads.GPUS * WHOLE // TEAMS
_QUOTAS = tuple(TeamQuota(f"team-{team}", nominal=_OWN, borrow=_OWN) for team in range(TEAMS))

MEASURED: dict[str, Policy] = {
    "fifo": POLICIES["fifo"],
    "easy": POLICIES["easy"],
    "ssf": POLICIES["ssf"],
    "predicted": POLICIES["predicted"],
    "default": POLICIES["default"],
    "aged": replace(POLICIES["default"], ageing=600 * SECOND),
    "fair_share": _FAIR,
    "quotas": replace(_FAIR, quotas=_QUOTAS),
    "priority": replace(POLICIES["default"], preemption=replace(_STOPPING, by_priority=True)),
    "reclaim": replace(
        POLICIES["default"], quotas=_QUOTAS, preemption=replace(_STOPPING, by_reclaim=True)
    ),
}
"""``aged``: more than half of what waits has waited too long, and nodes are kept for it.
``fair_share`` and ``quotas`` take turns between all users; teams may use twice their own.
``priority`` stops preemptible work of lower priority, ``reclaim`` what teams hold beyond their own;
three of four users let their work be stopped. Preemption by order is not among them: filling the
queue alone takes it minutes.
``predicted`` is told the durations here: predicting them is not what is measured."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Processor time of single steps with one kind of event, in milliseconds."""

    policy: str
    waiting: int
    event: str
    p50_ms: float
    p99_ms: float
    longest_ms: float


def measure(
    data: Path | None, policy: str, waiting: int, nodes: int = workloads.NODES
) -> list[Steps]:
    """Fills all nodes, lets ``waiting`` more wait, and measures steps of one event each."""
    filled = Filled(data, MEASURED[policy], waiting, nodes)
    changes = {
        "end": filled.an_end,
        "submission": filled.a_submission,
        "cancellation": filled.a_cancellation,
    }
    taken: dict[str, list[float]] = {event: [] for event in changes}
    gc.collect()
    gc.freeze()
    for _ in range(STEPS):
        for event, change in changes.items():
            taken[event].append(filled.timed(change))
            filled.refill()
    return [_steps(policy, waiting, event, sorted(times)) for event, times in taken.items()]


def _steps(policy: str, waiting: int, event: str, times: list[float]) -> Steps:
    return Steps(policy, waiting, event, quantile(times, 0.5), quantile(times, 0.99), times[-1])


class Filled:
    """An engine whose nodes are full, and what may happen to it next."""

    def __init__(self, data: Path | None, policy: Policy, waiting: int, nodes: int) -> None:
        self._chance = Random(workloads.SEED)
        self._engine = Engine(policy)
        self._now = 0
        self._running: list[str] = []
        trace = workloads.whole_gpus(data, nodes * workloads.GPUS + waiting + 16 * STEPS, nodes)
        self._requests = map(trace.requests(Durations.KNOWN), range(len(trace)))
        self._step([NodeUp(node) for node in workloads.inventory(nodes)])
        self._waiting: list[str] = []
        self._wanted = waiting
        self.refill()

    def refill(self) -> None:
        """Submits, unmeasured, until as many wait as should."""
        while (lacking := self._wanted - self._size()) > 0:
            some = [self._next() for _ in range(max(lacking // 2, 1))]
            self._waiting += [request.id for request in some]
            self._step([Submit(request) for request in some])

    def timed(self, change: Callable[[], Event]) -> float:
        """Milliseconds of processor time of a step with one event."""
        event = [change()]
        began = time.process_time_ns()
        decisions = self._engine.step(self._now, event)
        taken = time.process_time_ns() - began
        self._take_note(decisions)
        return taken / 1e6

    def an_end(self) -> Event:
        """Some running job ends."""
        return Finish(self._taken_from(self._running))

    def a_submission(self) -> Event:
        """A job is submitted."""
        request = self._next()
        self._waiting.append(request.id)
        return Submit(request)

    def a_cancellation(self) -> Event:
        """Some waiting job is withdrawn."""
        while True:
            name = self._taken_from(self._waiting)
            job = self._engine.jobs.get(name)
            if job is not None and not job.slices:
                return Cancel(name)

    def _size(self) -> int:
        return sum(pool.queue.size for pool in self._engine.pools.values())

    def _next(self) -> Request:
        self._now += BETWEEN
        user = self._chance.randrange(USERS)
        return next(self._requests)._replace(
            submitted=self._now,
            team=f"team-{user % TEAMS}",
            user=f"user-{user}",
            priority=RANKS * (user % 3),
            preemptible=user % 4 > 0,
        )

    def _step(self, events: list[Event]) -> None:
        self._take_note(self._engine.step(self._now, events))

    def _take_note(self, decisions: object) -> None:
        if isinstance(decisions, list):
            self._running += [it.id for it in decisions if isinstance(it, Start)]

    def _taken_from(self, jobs: list[str]) -> str:
        place = self._chance.randrange(len(jobs))
        jobs[place], jobs[-1] = jobs[-1], jobs[place]
        return jobs.pop()
