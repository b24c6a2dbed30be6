"""Queueing without preemption, exact: Helios' cluster Venus (Hu et al., SC'21).

Each virtual cluster alone, nodes of 8 GPUs. At each instant what ends is released, then what is
submitted is added, then jobs start from the head of the ordered queue until the first that does not
fit. Placement "consolidate". The published means of JCT and queue in seconds, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.gates.check import Check, Exactly
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import measure
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.trace import venus

TRACE = Path("venus/two_vcs_september.csv")
NODES = {"vcvGl": "20x8", "vcvlY": "2x8"}
PUBLISHED = {
    ("vcvGl", "fifo"): (18_497.01, 13_891.12),
    ("vcvGl", "sjf"): (5_302.68, 696.79),
    ("vcvlY", "fifo"): (9_667.02, 360.43),
    ("vcvlY", "sjf"): (9_667.02, 360.43),
}
CENT = 0.005


def checks(data: Path) -> Iterator[Check]:
    """Simulates each virtual cluster under each policy."""
    for (team, policy), (jct, queue) in PUBLISHED.items():
        trace = venus.read(data / TRACE, team=team)
        nodes = inventory.parse(NODES[team])
        outcome = simulate(trace, nodes, replace(POLICIES[policy], placement="consolidate"))
        figures = measure(trace, outcome)
        name = f"venus_{team}_{policy}"
        yield Check(f"{name}_jct", figures.jct.mean, Exactly(jct, CENT), "s")
        yield Check(f"{name}_queue", figures.queue.mean, Exactly(queue, CENT), "s")
