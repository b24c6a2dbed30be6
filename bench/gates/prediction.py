"""Philly's month (Jeon et al., ATC'19) on 72 x 8 GPUs, without preemption, durations unknown.

The scheduler is told no duration. It expects of each run what runs of its kind took that ended
before (scheduler_service/domain/prediction), starts the smallest expected service (duration x GPUs)
first, passes over what does not fit, and keeps nodes for whatever has waited two days. The same
rules with the true durations tell what the predictions cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from bench.gates.check import AtMost, Check, Reported
from bench.gates.variants import variants
from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling.draining import SETTLED
from scheduler_service.domain.scheduling.policy import DurationSource
from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import Figures, measure
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace import philly
from scheduler_service.simulate.trace.trace import Durations, Trace

TRACE = Path("philly/october.csv")
NODES = "72x8"
POLICY = replace(POLICIES["predicted"], placement="consolidate")
FOREKNOWING = replace(POLICY, durations=DurationSource.ESTIMATE)
VARIANTS = 5


def checks(data: Path) -> Iterator[Check]:
    """Simulates the month, and variants of it."""
    trace = philly.read(data / TRACE)
    figures = predicted(trace)
    queue = figures.queue
    yield Check("predicted_queue", queue.mean, AtMost(4_000), "s")
    yield Check("predicted_queue_p999", queue.p999, Reported("FIFO 290,703"), "s")
    yield Check("predicted_queue_longest", queue.longest, Reported("FIFO 297,014"), "s")
    bound = (POLICY.ageing + SETTLED + max(trace.durations)) / SECOND
    yield Check("predicted_queue_within_bound", queue.longest, AtMost(bound), "s")
    yield Check("predicted_slowdown", figures.slowdown.mean, Reported("1 is the best"))
    known = measure(trace, simulate(trace, inventory.parse(NODES), FOREKNOWING))
    yield Check("predicted_queue_foreknown", known.queue.mean, Reported("true durations"), "s")
    yield from _spread([predicted(it).queue.mean for it in variants(trace, VARIANTS)])


def predicted(trace: Trace) -> Figures:
    """The figures of a trace of which the scheduler knows no duration in advance."""
    nodes = inventory.parse(NODES)
    predictor, unknown = History(), Durations.UNKNOWN
    return measure(trace, simulate(trace, nodes, POLICY, predictor=predictor, durations=unknown))


def _spread(queues: list[float]) -> Iterator[Check]:
    yield Check("predicted_queue_variants_mean", fmean(queues), AtMost(4_000), "s")
    yield Check("predicted_queue_variants_least", min(queues), Reported(), "s")
    yield Check("predicted_queue_variants_most", max(queues), AtMost(4_000), "s")
