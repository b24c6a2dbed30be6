"""Traces made by chance."""

import pytest

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.generate import bootstrapped, generated
from scheduler_service.simulate.trace.trace import Trace

DEVICES = 64


def offered(trace: Trace) -> float:
    """Service asked for by what the devices can give until the last submission."""
    service = sum(trace.service(job) for job in range(len(trace))) / 1000
    return service / DEVICES / trace.submits[-1]


def test_a_generated_trace() -> None:
    """Its jobs are in order, its load is as asked for, and its users come back."""
    trace = generated(2_000, seed=3, devices=DEVICES)

    assert 2_000 == len(trace)
    assert sorted(trace.submits) == list(trace.submits)
    assert pytest.approx(0.9, rel=0.01) == offered(trace)
    assert {1, 2, 4, 8, 16} <= {shape.devices for shape in trace.shapes}
    assert len(trace.traits) < 161
    assert min(trace.durations) >= 5 * SECOND


def test_the_same_seed_makes_the_same_trace() -> None:
    """To the microsecond."""
    one, two = (generated(300, seed=4, devices=DEVICES) for _ in range(2))

    assert (one.submits, one.durations, one.shape_of) == (two.submits, two.durations, two.shape_of)


def test_drawn_from_another_trace() -> None:
    """Every job is one of the source's; the load is as asked for."""
    source = generated(300, seed=5, devices=DEVICES)
    drawn = bootstrapped(source, 1_000, seed=6, devices=DEVICES, load=2.0)
    known = set(zip(source.durations, source.shape_of, source.traits_of, strict=True))

    assert 1_000 == len(drawn)
    assert known >= set(zip(drawn.durations, drawn.shape_of, drawn.traits_of, strict=True))
    assert pytest.approx(2.0, rel=0.02) == offered(drawn)
