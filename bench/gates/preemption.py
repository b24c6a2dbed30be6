"""Philly's month (Jeon et al., ATC'19) on 72 x 8 GPUs with preemption, durations unknown.

Nothing is known or predicted: who has had the least service goes first, in levels (Tiresias, Gu et
al., NSDI 2019). A run is left ten minutes at least, a preemption costs it 60 s of work that it has
to do again, no job is stopped more than 24 times a day, and what has waited two days in all its
waits together goes first and is not stopped any more. Waiting is JCT minus the service needed, so
lost work counts as waiting. Jobs lie on nodes: up to 8 GPUs on one, more on whole nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.gates.check import AtMost, Check, Reported
from bench.gates.variants import variants
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import Figures, measure
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace import philly
from scheduler_service.simulate.trace.trace import Durations, Trace

TRACE = Path("philly/october.csv")
NODES = "72x8"
POLICY = replace(POLICIES["las-levels"], placement="consolidate")
VARIANTS = 1
SLACK_S = 7_200
"""A guaranteed time, and what aged before."""


def checks(data: Path) -> Iterator[Check]:
    """Simulates the month, and a variant of it."""
    trace = philly.read(data / TRACE)
    figures = attained(trace)
    wait = figures.wait
    yield Check("preemptive_wait", wait.mean, AtMost(1_500), "s")
    yield Check("preemptive_wait_p999", wait.p999, Reported(), "s")
    bound = POLICY.ageing / 1e6
    yield Check("preemptive_wait_longest", wait.longest, AtMost(bound + SLACK_S), "s")
    yield Check("preemptive_slowdown", figures.slowdown.mean, Reported("1 is the best"))
    yield Check("preemptive_first_start", figures.queue.mean, Reported(), "s")
    yield Check("preemptive_preemptions", figures.preemptions, Reported(f"of {len(trace)} jobs"))
    yield Check("preemptive_preempted_jobs", figures.preempted_jobs, Reported())
    yield Check("preemptive_lost", figures.lost_gpu_hours, Reported(), "GPU-hours")
    for number, variant in enumerate(variants(trace, VARIANTS), 1):
        mean = attained(variant).wait.mean
        yield Check(f"preemptive_wait_variant_{number}", mean, AtMost(1_500), "s")


def attained(trace: Trace) -> Figures:
    """The figures of a trace of which the scheduler knows no duration."""
    nodes = inventory.parse(NODES)
    return measure(trace, simulate(trace, nodes, POLICY, durations=Durations.UNKNOWN))
