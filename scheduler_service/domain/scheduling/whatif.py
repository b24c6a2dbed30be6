"""What if: the same history under another policy or on other nodes, and who waits more or less.

What came from outside is taken from a decision log: submissions, cancellations, nodes that come and
go. How long each workload ran there is how long it runs here; one whose end the log does not know
runs on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import (
    Cancel,
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


class _End(NamedTuple):
    """Where in a step a run ended, and when it had begun, what it had kept from before included."""

    id: str
    begun: int


@dataclass(slots=True)
class _Course:
    """One play of a history: first starts, and the service that each workload had in all.

    What is stopped and loses work may end, for all that a log knows, with less service than it had
    had when it was stopped. It needs as much as it ever had.
    """

    submitted: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    service: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def outside(self, step: Step, left_out: tuple[type, ...]) -> list["Event | _End"]:
        """What came from outside in a step, which is taken note of, with the ends marked."""
        events: list[Event | _End] = []
        for event in step.events:
            if isinstance(event, Finish) and event.id in self.begun:
                events.append(_End(event.id, self.begun[event.id]))
            elif not isinstance(event, left_out):
                events.append(event)
            self.told(event, step.now)
        for decision in step.decisions:
            self.decided(decision, step.now)
        return events

    def told(self, event: Event, now: int) -> None:
        if isinstance(event, Submit):
            self.submitted[event.request.id] = event.request.submitted
        elif isinstance(event, Occupy):
            self.begun[event.request.id] = event.since
        elif isinstance(event, Finish | Cancel):
            begun = self.begun.pop(event.id, None)
            if begun is not None and isinstance(event, Finish):
                self.service[event.id] = max(now - begun, self.most.get(event.id, 0))

    def decided(self, decision: Decision, now: int) -> None:
        if isinstance(decision, Start):
            self.first.setdefault(decision.id, now)
            # As if it had begun so much earlier: what it keeps counts.
            self.begun[decision.id] = now - decision.served
        elif isinstance(decision, Preempt):
            begun = self.begun.pop(decision.id, now)
            self.most[decision.id] = max(now - begun, self.most.get(decision.id, 0))

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

    The engine is asked whenever it was asked then and whenever something ends; if anything is
    different, also whenever it wants to be. So with nothing different, all wait as long as they
    did.

    Args:
        lines: the log.
        policy: what every pool follows all the time; None leaves the policies as they were.
        nodes: the inventory, there from the beginning for good; None leaves the nodes as they were.
        predictor: a new one, for policies with predicted durations.

    Raises:
        BrokenChain: a line of the log was changed, left out or put in.
    """
    log = read(lines)
    left_out: tuple[type, ...] = (Tick,)
    if policy is not None:
        left_out += (SetPolicy,)
    if nodes is not None:
        left_out += _ABOUT_NODES
    recorded = _Course()
    told = [(step.now, recorded.outside(step, left_out)) for step in log.steps]
    if nodes is not None and told:
        told.insert(0, (told[0][0], [NodeUp(node) for node in nodes]))
    engine = Engine(policy or log.policy, predictor, requeues=log.requeues)
    wakes = policy is not None or nodes is not None
    return _compared(recorded, _Play(engine, recorded.service, wakes).run(told))


class _Play:
    """Plays a history on an engine; what ran so long there runs so long here."""

    def __init__(self, engine: Engine, service: dict[str, int], wakes: bool) -> None:
        self._engine = engine
        self._service = service
        self._wakes = wakes
        self._course = _Course()
        self._ends: list[tuple[int, int, str]] = []
        self._end_of: dict[str, int] = {}
        self._numbers = count()

    def run(self, told: Iterable[tuple[int, list[Event | _End]]]) -> _Course:
        """Plays all that was told, and then on until nothing happens any more."""
        for now, events in told:
            while (before := self._next()) < now:
                self._step(before, self._due(before))
            there = (self._event(event, now) for event in events)
            self._step(now, [event for event in there if event is not None])
        while (later := self._next()) < _NEVER:
            self._step(later, self._due(later))
        return self._course

    def _next(self) -> int:
        """When something ends or the engine wants to be asked."""
        ends = self._ends
        while ends and self._end_of.get(ends[0][2]) != ends[0][0]:
            heappop(ends)
        wake = self._engine.wake if self._wakes else None
        return min(ends[0][0] if ends else _NEVER, _NEVER if wake is None else wake)

    def _due(self, now: int) -> list[Event]:
        """What ends."""
        due = sorted(entry for entry in self._ends if entry[0] <= now)
        return [Finish(name) for end, _, name in due if self._end_of.get(name) == end]

    def _event(self, event: Event | _End, now: int) -> Event | None:
        """An event as it was told, or an end in its old place if it is due then here too."""
        if not isinstance(event, _End):
            return event
        as_then = self._course.begun.get(event.id) == event.begun
        due = as_then or self._end_of.get(event.id, _NEVER) <= now
        return Finish(event.id) if due else None

    def _step(self, now: int, events: list[Event]) -> None:
        for event in events:
            self._course.told(event, now)
            if isinstance(event, Finish | Cancel):
                self._end_of.pop(event.id, None)
            elif isinstance(event, Occupy):
                self._expect_end(event.request.id)
        for decision in self._engine.step(now, events):
            self._course.decided(decision, now)
            if isinstance(decision, Start):
                self._expect_end(decision.id)
            elif isinstance(decision, Preempt):
                self._end_of.pop(decision.id, None)

    def _expect_end(self, name: str) -> None:
        if name in self._service:
            end = self._end_of[name] = self._course.begun[name] + self._service[name]
            heappush(self._ends, (end, next(self._numbers), name))


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
