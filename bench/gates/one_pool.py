"""Queueing of a month of Microsoft Philly (Jeon et al., ATC'19) in one pool of 72 x 8 GPUs.

The rules are those of ``queueing``; durations are known. First in first out, the shortest job first
and the smallest service (duration x GPUs) first are reference points, to the second. The gain of
EASY backfilling depends on what "does not delay the first one" is taken to mean: here it is the
very nodes that the first job waits for, not a number of devices, so its figure stands beside the
other one and is not held against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.gates.check import Check, Exactly, Reported, Want
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import measure
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace import philly

TRACE = Path("philly/october.csv")
NODES = "72x8"
WANTED: dict[str, Want] = {
    "fifo": Exactly(48_079, 0.5),
    "sjf": Exactly(3_226, 0.5),
    "ssf": Exactly(2_539, 0.5),
    "easy": Reported("6,720 elsewhere"),
}


def checks(data: Path) -> Iterator[Check]:
    """Simulates the month under each policy."""
    trace = philly.read(data / TRACE)
    for name, want in WANTED.items():
        policy = replace(POLICIES[name], placement="consolidate")
        figures = measure(trace, simulate(trace, inventory.parse(NODES), policy))
        yield Check(f"philly_{name}_queue", figures.queue.mean, want, "s")
