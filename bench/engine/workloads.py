"""Jobs and nodes to measure with: drawn from a true trace, or generated where there is none."""

from __future__ import annotations

from pathlib import Path

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.requests import Shape
from scheduler_service.simulate.generate import bootstrapped, generated
from scheduler_service.simulate.trace import openb, philly
from scheduler_service.simulate.trace.trace import Trace

NODES = 10_695
GPUS = 8
CORES_MILLI = 96_000
MEMORY_MIB = 768 * 1024
SEED = 1

LOAD = 4.0
"""Service asked for by what the nodes can give meanwhile: more than one, so that a queue builds.

A trace's jobs that run for days are still running when its last one comes: only the short ones end
within the time in which a million of them arrive at a large cluster.
"""

FRACTIONS = ((50, 2), (110, 1), (160, 1), (230, 4), (320, 9), (460, 6), (470, 20), (810, 20))
"""Shares of one GPU in thousandths, and how often they come beside 100 jobs of whole ones."""


def source(data: Path | None) -> Trace:
    """A month of Philly, or as many generated jobs."""
    if data is None:
        return generated(50_000, SEED, devices=576)
    return philly.read(data / "philly/october.csv")


def whole_gpus(data: Path | None, jobs: int, nodes: int = NODES, load: float = LOAD) -> Trace:
    """Jobs of whole GPUs, drawn from a trace."""
    return bootstrapped(source(data), jobs, SEED, nodes * GPUS, load)


def fractions(data: Path | None, jobs: int, nodes: int = NODES, load: float = LOAD) -> Trace:
    """Jobs that ask for what pods of a production cluster ask for, many for a part of one GPU.

    They last and arrive as those of ``whole_gpus``. Device models are left out: all nodes are
    alike.
    """
    asked = [_any_model(each) for each in openb.shapes(data / PODS)] if data else _made_up()
    drawn = source(data)
    shaped = Trace(f"{drawn.source}, with shares of GPUs")
    for job, duration in enumerate(drawn.durations):
        # A fixed stride that is prime to any list's length walks through all of it.
        shape = asked[job * 7919 % len(asked)]
        shaped.add(job, duration, shape, drawn.traits[drawn.traits_of[job]])
    return bootstrapped(shaped, jobs, SEED, nodes * GPUS, load)


def inventory(nodes: int = NODES) -> list[NodeSpec]:
    """Equal nodes."""
    return [
        NodeSpec(f"node-{number:05d}", devices=GPUS, cpu=CORES_MILLI, memory=MEMORY_MIB)
        for number in range(nodes)
    ]


PODS = Path("openb/pods_default.csv")


def _any_model(shape: Shape) -> Shape:
    return Shape(
        resource_type=shape.resource_type,
        devices=shape.devices,
        milli=shape.milli,
        cpu=shape.cpu,
        memory=shape.memory,
    )


def _made_up() -> list[Shape]:
    whole = [Shape(devices=count, cpu=12_000 * count) for count in (1,) * 90 + (2,) * 5 + (8,) * 5]
    shared = [
        Shape(milli=milli, cpu=2_000 + 8 * (milli % WHOLE))
        for milli, often in FRACTIONS
        for _ in range(often)
    ]
    return whole + shared
