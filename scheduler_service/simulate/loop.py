"""The loop of events in virtual time: jobs arrive, the engine decides, jobs end."""

import gc
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush

from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Event, Finish, NodeSpec, NodeUp, Submit, Tick
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Predictor
from scheduler_service.simulate.outcome import NEVER, Outcome
from scheduler_service.simulate.trace.trace import Durations, Trace

ENDLESS = 1 << 62
PROGRESS_EVERY = 4096

Progress = Callable[[int], None]


def simulate(
    trace: Trace,
    nodes: Sequence[NodeSpec],
    policy: Policy,
    *,
    predictor: Predictor | None = None,
    durations: Durations = Durations.KNOWN,
    on_progress: Progress | None = None,
) -> Outcome:
    """Runs a whole trace; jobs that nothing can start any more are left waiting.

    At each instant what ends comes first, then what is submitted, then the engine decides. It is
    woken besides whenever it asked to be.

    Args:
        trace: settled, so that it is in order.
        nodes: the inventory; all of it is there from the beginning.
        policy: what all pools follow.
        predictor: what the engine learns durations from, for policies that use predictions.
        durations: what requests say of how long they will run.
        on_progress: told now and then how many jobs have ended.
    """
    run = Run(trace, nodes, Engine(policy, predictor), durations)
    with _without_collections():
        began = time.process_time()
        run.add_nodes(nodes)
        while run.advance():
            if on_progress is not None and run.outcome.steps % PROGRESS_EVERY == 0:
                on_progress(run.ended)
        run.outcome.cpu_seconds = time.process_time() - began
    if on_progress is not None:
        on_progress(run.ended)
    return run.outcome


@contextmanager
def _without_collections() -> Iterator[None]:
    """Leaves cycles alone: with all that waits, looking for them takes a fifth of the time.

    What is over is part of no cycle, and its memory comes back at once.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Run:
    """A run in progress.

    Attributes:
        ended: jobs that are over, the refused ones too.
    """

    def __init__(
        self, trace: Trace, nodes: Sequence[NodeSpec], engine: Engine, durations: Durations
    ) -> None:
        self.outcome = Outcome(len(trace), nodes)
        self.ended = 0
        self._trace = trace
        self._held = array("q", [shape.total_milli for shape in trace.shapes])
        self._engine = engine
        self._request = trace.requests(durations)
        self._next = 0
        self._queued = 0
        self._busy = 0
        self._now = 0
        # A preempted or restarted job leaves its old end in the heap: only the end that this
        # column says is one.
        self._ending = array("q", [NEVER]) * len(trace)
        # An end's time and its job are one number, time first: half the size of a pair, and
        # compared in half the time, where hundreds of thousands run.
        self._ends: list[int] = []
        self._bits = len(trace).bit_length()
        self._mask = (1 << self._bits) - 1

    def add_nodes(self, nodes: Sequence[NodeSpec]) -> None:
        """Tells the engine of its inventory, which is complete before the first job comes."""
        self._engine.step(0, [NodeUp(node) for node in nodes])

    def advance(self) -> bool:
        """Goes to the next instant at which something happens; says whether there was one."""
        now = self._instant()
        if now is None:
            return False
        self.outcome.timeline.advance(now, self._queued, self._busy)
        self._now = now
        events: list[Event] = []
        self._finish(now, events)
        self._submit(now, events)
        decisions = self._engine.step(now, events or [Tick()])
        self.outcome.steps += 1
        if decisions:
            self._carry_out(decisions, now)
        return True

    def _instant(self) -> int | None:
        ends, ending, submits = self._ends, self._ending, self._trace.submits
        while ends and ending[ends[0] & self._mask] != ends[0] >> self._bits:
            heappop(ends)
        instant = ends[0] >> self._bits if ends else ENDLESS
        if self._next < len(submits):
            instant = min(instant, submits[self._next])
        wake = self._engine.wake
        if wake is not None and wake < instant and self._queued:
            return max(wake, self._now + 1)
        return None if instant == ENDLESS else instant

    def _finish(self, now: int, events: list[Event]) -> None:
        ends, ending, held, shape_of = self._ends, self._ending, self._held, self._trace.shape_of
        past = (now + 1) << self._bits
        while ends and ends[0] < past:
            packed = heappop(ends)
            job = packed & self._mask
            if ending[job] == packed >> self._bits:
                ending[job] = NEVER
                self.outcome.ends[job] = now
                self._busy -= held[shape_of[job]]
                self.ended += 1
                events.append(Finish(str(job)))

    def _submit(self, now: int, events: list[Event]) -> None:
        submits, job = self._trace.submits, self._next
        while job < len(submits) and submits[job] <= now:
            events.append(Submit(self._request(job)))
            job += 1
        self._queued += job - self._next
        self._next = job

    def _carry_out(self, decisions: Sequence[Decision], now: int) -> None:
        self.outcome.decisions += len(decisions)
        for decision in decisions:
            job = int(decision.id)
            if isinstance(decision, Start):
                self._start(job, now, decision.served)
            elif isinstance(decision, Preempt):
                self._preempt(job, decision.lost)
            else:
                self.outcome.refused[job] = decision.message
                self._queued -= 1
                self.ended += 1

    def _start(self, job: int, now: int, served: int) -> None:
        trace, outcome = self._trace, self.outcome
        if self._ending[job] == NEVER:
            self._queued -= 1
            self._busy += self._held[trace.shape_of[job]]
            if outcome.first_starts[job] == NEVER:
                outcome.first_starts[job] = now
        end = now + trace.durations[job] - served
        self._ending[job] = end
        heappush(self._ends, end << self._bits | job)

    def _preempt(self, job: int, lost: int) -> None:
        self._ending[job] = NEVER
        self._queued += 1
        self._busy -= self._held[self._trace.shape_of[job]]
        self.outcome.preempted[job] += 1
        self.outcome.lost += lost
