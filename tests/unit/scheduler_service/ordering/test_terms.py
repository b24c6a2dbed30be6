"""Who goes first, by hand and over random jobs."""

import functools
from random import Random
from typing import Any

import pytest

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.scheduling.assembly import rules_of
from scheduler_service.domain.scheduling.fits import Fit
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import SECOND, Job, Request, Shape, Slice

HOUR = 3_600 * SECOND
NOW = 100 * HOUR


def job(
    devices: int = 1,
    *,
    sequence: int = 0,
    submitted: int = 0,
    served: int = 0,
    expected: int | None = None,
    priority: int = 0,
) -> Job:
    """A job that waits."""
    shape = Shape(devices=devices)
    request = Request(f"job{sequence}", shape, submitted, priority=priority, estimate=expected)
    it = Job(request, sequence, None, Fit(shape, "default", (1,), 1))  # type: ignore[arg-type]
    it.served, it.expected = served, expected
    return it


def key(order: str, it: Job, **fields: Any) -> Any:
    """A job's key in one order."""
    return ORDERS[order](Policy(**fields)).key(it, NOW)


def test_smallest_service_counts_devices() -> None:
    """Three hours on one device go before one hour on four."""
    long, wide = job(1, expected=3 * HOUR), job(4, expected=HOUR)
    assert key("sjf", wide) < key("sjf", long)
    assert key("ssf", long) < key("ssf", wide)


def test_what_was_served_is_not_counted_again() -> None:
    """What was stopped after nine of ten hours goes before what needs two."""
    assert key("sjf", job(expected=10 * HOUR, served=9 * HOUR)) < key("sjf", job(expected=2 * HOUR))


def test_what_runs_over_does_not_become_urgent() -> None:
    """Ten hours into an expected hour, ten more are expected: it is not the first because of it."""
    overrun = job(expected=HOUR, served=10 * HOUR)
    assert 10 * HOUR == key("sjf", overrun)


@pytest.mark.parametrize("order", ["sjf", "ssf"])
def test_what_is_unknown_goes_last(order: str) -> None:
    """Nothing expected means that nothing can be said for it."""
    assert key(order, job(expected=10_000 * HOUR)) < key(order, job())


@pytest.mark.parametrize(
    ("devices", "served", "level"),
    [(1, 0, 0), (1, HOUR - 1, 0), (1, HOUR, 1), (8, HOUR, 2), (8, 8 * HOUR, 3), (1, 63 * HOUR, 2)],
)
def test_levels_count_devices_times_hours(devices: int, served: int, level: int) -> None:
    """Thresholds at 1, 8 and 64 device-hours, as they are without settings."""
    assert level == key("las_levels", job(devices, served=served))


def test_levels_are_settings() -> None:
    """Two levels, parted at ten device-hours."""
    options = (("las_first", 10.0), ("las_levels", 1.0))
    keys = [key("las_levels", job(served=hours * HOUR), options=options) for hours in (9, 10, 999)]
    assert [0, 1, 1] == keys


def test_a_level_says_when_it_ends() -> None:
    """A job on two devices that starts now leaves the first level in half an hour."""
    it = job(2)
    it.slices, it.since = (Slice(0, 3),), NOW
    order = ORDERS["las_levels"](Policy())
    until = order.stays(it, NOW)  # type: ignore[attr-defined]
    assert NOW + HOUR // 2 == until
    assert [0, 1] == [order.key(it, until - 1), order.key(it, until)]
    it.served = 1_000 * HOUR
    assert order.stays(it, NOW) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("names", [(name,) for name in ORDERS] + [("priority", "ssf", "fifo")])
@pytest.mark.parametrize("ageing", [0, HOUR])
def test_an_order_is_total_and_stable(seed: int, names: tuple[str, ...], ageing: int) -> None:
    """Any two jobs compare, and however they lie, sorting brings them into one same order."""
    random = Random(seed)
    order = rules_of(Policy(order=names, ageing=ageing, placement="first_fit")).order
    jobs = [_random_job(random, number) for number in range(60)]
    for it in jobs:
        it.aged = bool(ageing) and random.random() < 0.2
    place = functools.partial(_place, order)
    once = sorted(jobs, key=place)
    random.shuffle(jobs)
    assert [it.sequence for it in once] == [it.sequence for it in sorted(jobs, key=place)]
    if ageing and "priority" not in names:
        assert sorted(once, key=lambda it: not it.aged) == once, "what aged goes first"


def _place(order: Any, it: Job) -> tuple[Any, int]:
    return order.key(it, NOW), it.sequence


def _random_job(random: Random, sequence: int) -> Job:
    expected = random.choice([None, HOUR, random.randrange(1, 100 * HOUR)])
    return job(
        random.choice([1, 1, 2, 8]),
        sequence=sequence,
        submitted=random.randrange(10) * HOUR,
        served=random.choice([0, HOUR, random.randrange(50 * HOUR)]),
        expected=expected,
        priority=random.randrange(40),
    )
