"""Shortest remaining work first with preemption, exact: Muri's simulator (Zhao et al., SIGCOMM'22).

8 nodes x 8 GPUs. At every submission and every end all that can run is sorted anew, by remaining
time (SRTF) or by remaining time x GPUs (SRSF), and placed again from an empty cluster; what does
not fit is skipped. Up to 8 GPUs go to the first node that holds them, more to whole idle nodes. At
every event each running job forfeits a restart of some seconds, at most what it did since the event
before; how many is a matter of its model and its GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.gates.check import Check, Exactly
from scheduler_service.domain.scheduling.policy import HeadRule, Policy, PreemptionRules
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import measure
from scheduler_service.simulate.trace import muri

NODES = "8x8"
ORDERS = {"srtf": "sjf", "srsf": "ssf"}

RESTARTS_S = {
    "vgg16": (7, 7, 8, 9, 9, 10),
    "vgg19": (7, 7, 8, 9, 10, 10),
    "resnet18": (4, 5, 5, 7, 7, 7),
    "shufflenet_v2_x1_0": (4, 4, 5, 5, 7, 8),
    "bert": (10, 10, 10, 10, 10, 10),
    "gpt2": (10, 10, 10, 10, 10, 10),
    "a2c": (38, 39, 39, 46, 46, 46),
    "dqn": (5, 5, 6, 6, 8, 8),
}
"""Seconds of a restart on 1, 2, 4, 8, 16 and 32 GPUs, as Muri's authors profiled them."""

PUBLISHED = {
    ("trace3", "srtf", False): 190_377.377,
    ("trace3", "srtf", True): 193_081.796,
    ("trace3", "srsf", True): 185_021.880,
    ("trace1", "srtf", True): 1_370_603.198,
    ("trace1", "srsf", True): 980_140.570,
}
TOLERANCE_S = 0.001


def checks(data: Path) -> Iterator[Check]:
    """Simulates both traces under both orders."""
    for (name, order, pays), jct in PUBLISHED.items():
        trace = muri.read(data / f"muri/{name}.csv")
        outcome = simulate(trace, inventory.parse(NODES), policy(order, pays))
        suffix = "" if pays else "_free"
        figures = measure(trace, outcome)
        yield Check(
            f"muri_{name}_{order}{suffix}", figures.jct.mean, Exactly(jct, TOLERANCE_S), "s"
        )


def policy(order: str, pays: bool) -> Policy:
    """Muri's rules as a policy; without ``pays`` restarts are free."""
    rules = PreemptionRules(repack=True, minimum_runtime=0, options=restarts() if pays else ())
    return Policy(
        order=(ORDERS[order],),
        head=HeadRule.SKIP,
        placement="first_fit",
        ageing=0,
        preemption=rules,
    )


def restarts() -> tuple[tuple[str, float], ...]:
    """The price of a restart as the engine's policy takes it."""
    return tuple(
        (f"{model} x {1 << place}", float(seconds))
        for model, row in RESTARTS_S.items()
        for place, seconds in enumerate(row)
    )
