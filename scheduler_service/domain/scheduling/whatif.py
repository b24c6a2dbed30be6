"""What if: the same history under another policy or on other nodes, and who waits more or less.

What came from outside is taken from a decision log: submissions, cancellations, nodes that come and
go. How long each workload ran there is how long it runs here; one whose end the log does not know
runs on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import (
    Event,
    Finish,
    NodeDown,
    NodeDrain,
    NodeRetire,
    NodeSpec,
    NodeUp,
    Occupy,
    SetPolicy,
    Submit,
    Tick,
)
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Predictor
from scheduler_service.domain.scheduling.record import Step, read

_ABOUT_NODES = (NodeUp, NodeDown, NodeDrain, NodeRetire)


class Change(NamedTuple):
    """How long a workload waited for its first start, and would have; None: it never started."""

    id: str
    before: int | None
    after: int | None


class WhatIf(NamedTuple):
    """Who would have waited more, who less, the greatest difference first; and how many as long."""

    more: list[Change]
    less: list[Change]
    equal: int


@dataclass(slots=True)
class _Course:
    """One play of a history: first starts, and the service that each workload had in all."""

    submitted: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    service: dict[str, int] = field(default_factory=dict)

    def told(self, event: Event, now: int) -> None:
        if isinstance(event, Submit):
            self.submitted[event.request.id] = event.request.submitted
        elif isinstance(event, Occupy):
            self.begun[event.request.id] = event.since
        elif isinstance(event, Finish) and event.id in self.begun:
            self.service[event.id] = now - self.begun[event.id]

    def decided(self, decision: Decision, now: int) -> None:
        if isinstance(decision, Start):
            self.first.setdefault(decision.id, now)
            # As if it had begun so much earlier: what it keeps counts.
            self.begun[decision.id] = now - decision.served
        elif isinstance(decision, Preempt):
            del self.begun[decision.id]

    def wait(self, job_id: str) -> int | None:
        at = self.first.get(job_id)
        return None if at is None else at - self.submitted[job_id]


def what_if(
    lines: Iterable[str],
    *,
    policy: Policy | None = None,
    nodes: Sequence[NodeSpec] | None = None,
    predictor: Predictor | None = None,
) -> WhatIf:
    """Plays the history of a log again, otherwise.

    Args:
        lines: the log.
        policy: what every pool follows all the time; None leaves the policies as they were.
        nodes: the inventory, there from the beginning for good; None leaves the nodes as they were.
        predictor: a new one, for policies with predicted durations.

    Raises:
        BrokenChain: a line of the log was changed, left out or put in.
    """
    log = read(lines)
    steps = list(log.steps)
    recorded = _Course()
    for step in steps:
        for event in step.events:
            recorded.told(event, step.now)
        for decision in step.decisions:
            recorded.decided(decision, step.now)
    played = _play(
        Engine(policy or log.policy, predictor, requeues=log.requeues),
        _outside(steps, policy is not None, nodes),
        recorded.service,
    )
    return _compared(recorded, played)


def _outside(
    steps: Iterable[Step], own_policy: bool, nodes: Sequence[NodeSpec] | None
) -> list[tuple[int, list[Event]]]:
    """What came from outside, by time."""
    left_out: tuple[type, ...] = (Finish, Tick)
    if own_policy:
        left_out += (SetPolicy,)
    if nodes is not None:
        left_out += _ABOUT_NODES
    told = [
        (step.now, [event for event in step.events if not isinstance(event, left_out)])
        for step in steps
    ]
    begin = told[0][0] if told else 0
    return [(begin, [NodeUp(node) for node in nodes or ()]), *(it for it in told if it[1])]


def _play(
    engine: Engine, outside: list[tuple[int, list[Event]]], service: dict[str, int]
) -> _Course:
    course = _Course()
    due = [(now, number, events) for number, (now, events) in enumerate(outside)]
    heapify(due)
    ends: list[tuple[int, int, str, int]] = []
    numbers = count()
    while due or ends or engine.wake is not None:
        now = min(
            due[0][0] if due else _NEVER,
            ends[0][0] if ends else _NEVER,
            _NEVER if engine.wake is None else engine.wake,
        )
        if now == _NEVER:
            break
        events: list[Event] = []
        while ends and ends[0][0] <= now:
            _, _, job_id, begun = heappop(ends)
            if course.begun.get(job_id) == begun:
                events.append(Finish(job_id))
        while due and due[0][0] <= now:
            events.extend(heappop(due)[2])
        for event in events:
            course.told(event, now)
        for decision in engine.step(now, events):
            course.decided(decision, now)
            if isinstance(decision, Start) and decision.id in service:
                begin = course.begun[decision.id]
                heappush(ends, (begin + service[decision.id], next(numbers), decision.id, begin))
    return course


_NEVER = 1 << 62


def _compared(recorded: _Course, played: _Course) -> WhatIf:
    more: list[Change] = []
    less: list[Change] = []
    equal = 0
    for job_id in recorded.submitted:
        change = Change(job_id, recorded.wait(job_id), played.wait(job_id))
        before, after = (_NEVER if it is None else it for it in change[1:])
        if before == after:
            equal += 1
        else:
            (more if after > before else less).append(change)
    more.sort(key=_difference, reverse=True)
    less.sort(key=_difference)
    return WhatIf(more, less, equal)


def _difference(change: Change) -> int:
    before, after = (_NEVER if it is None else it for it in change[1:])
    return after - before
