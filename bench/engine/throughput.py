"""Decisions per second of whole simulations, and the memory that they take."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.engine import workloads
from scheduler_service.domain.placement.mix import count
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace.trace import Trace

MIB = 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """What one run took.

    Attributes:
        decisions_per_s: starts by seconds of processor time, arrivals and ends included.
        most_waiting: the longest queue.
        peak_mib: most memory that the process ever had.
    """

    jobs: int
    decisions_per_s: float
    most_waiting: float
    peak_mib: float


def fifo(data: Path | None, jobs: int, nodes: int = workloads.NODES) -> Rate:
    """First in first out, whole GPUs."""
    return _run(workloads.whole_gpus(data, jobs, nodes), POLICIES["fifo"], nodes)


def smallest_service(data: Path | None, jobs: int, nodes: int = workloads.NODES) -> Rate:
    """The smallest service first, whole GPUs."""
    return _run(workloads.whole_gpus(data, jobs, nodes), POLICIES["ssf"], nodes)


def fragmentation(data: Path | None, jobs: int, nodes: int = workloads.NODES) -> Rate:
    """Fragmentation gradient descent, shares of GPUs."""
    trace = workloads.fractions(data, jobs, nodes)
    mix = count(trace.shapes[place] for place in trace.shape_of)
    return _run(trace, replace(POLICIES["fifo-skip"], placement="fgd", mix=mix), nodes)


RUNS: dict[str, Callable[..., Rate]] = {
    "fifo": fifo,
    "smallest_service": smallest_service,
    "fgd_fractions": fragmentation,
}


def _run(trace: Trace, policy: Policy, nodes: int) -> Rate:
    outcome = simulate(trace, workloads.inventory(nodes), policy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    waiting = max(point[1] for point in outcome.timeline.points())
    return Rate(len(trace), outcome.decisions / outcome.cpu_seconds, waiting, peak)
