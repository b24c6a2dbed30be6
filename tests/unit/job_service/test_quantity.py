"""GPU time and the months that it belongs to."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_service.domain.quantity import (
    from_gpu_hours,
    gpu_hours,
    held_for,
    period_end,
    period_of,
    period_start,
)
from job_service.domain.spec import ResourceSpec, ResourceType
from servicekit.clock import from_micros, to_micros
from tests.fakes.jobs import HOUR, spec

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("milli_gpu", "time", "expected"),
    [
        (1000, timedelta(hours=1), HOUR),
        (8000, timedelta(minutes=15), 2 * HOUR),
        (250, timedelta(hours=4), HOUR),
        (0, timedelta(hours=4), 0),
        (1000, timedelta(), 0),
        # Never less than was held: a started milli-GPU-second is a whole one.
        (1, timedelta(microseconds=1), 1),
        (1000, timedelta(seconds=1, microseconds=1), 1001),
    ],
)
def test_holding_devices_takes_gpu_time(milli_gpu: int, time: timedelta, expected: int) -> None:
    """Share times time, rounded up."""
    assert expected == held_for(milli_gpu, time)


@given(st.integers(0, 10**16))
def test_hours_and_back_is_the_same_amount(amount: int) -> None:
    """Hours are for people; whoever hands them back means the same amount, as far as floats go."""
    assert abs(amount - from_gpu_hours(gpu_hours(amount))) <= amount * 1e-15


@pytest.mark.parametrize(
    ("resources", "milli_gpu"),
    [
        (ResourceSpec(), 1000),
        (ResourceSpec(count=8, nodes=4), 32_000),
        (ResourceSpec(milli_gpu_per_device=125), 125),
        (ResourceSpec(ResourceType.CPU, count=64), 0),
        (ResourceSpec(ResourceType.TPU, count=4), 0),
    ],
)
def test_only_gpus_are_counted(resources: ResourceSpec, milli_gpu: int) -> None:
    """The quota is one of GPU-hours: other devices take none of it."""
    assert milli_gpu == resources.milli_gpu
    assert milli_gpu * 7200 == spec(2, resources=resources).reservation


@pytest.mark.parametrize(
    ("at", "period"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03"),
        (datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC), "2026-03"),
        (datetime(2026, 4, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2026-03"),
        (datetime(33, 1, 1, tzinfo=UTC), "0033-01"),
    ],
)
def test_a_period_is_a_month_in_utc(at: datetime, period: str) -> None:
    """Whatever the time's own zone."""
    assert period == period_of(at)


@given(st.integers(to_micros(FIRST), to_micros(LAST)).map(from_micros))
def test_every_time_is_within_its_period(at: datetime) -> None:
    """Periods follow one another without a gap."""
    period = period_of(at)
    assert period_start(period) <= at < period_end(period)
    assert period_end(period) == period_start(period_of(period_end(period)))
