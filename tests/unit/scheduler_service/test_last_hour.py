"""The figures of the last hour."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler_service.domain.last_hour import LastHour, Spread

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_waits_are_counted_with_their_mean_and_p99() -> None:
    """The mean is exact, the quantile right within 9%."""
    hour = LastHour()
    for seconds in range(1, 1001):
        hour.started(timedelta(seconds=seconds), NOW)
    waits = hour.figures(NOW).waits
    assert (1000, timedelta(seconds=500.5)) == (waits.count, waits.mean)
    assert 990 == pytest.approx(waits.p99.total_seconds(), rel=0.09)
    assert waits.p99.total_seconds() >= 990


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    """Minute by minute, also when nothing happens any more."""
    hour = LastHour()
    hour.preempted(1, NOW)
    hour.preempted(2, NOW + 30 * MINUTE)
    assert 3 == hour.figures(NOW + 59 * MINUTE).preempted
    assert 2 == hour.figures(NOW + 60 * MINUTE).preempted
    assert 0 == hour.figures(NOW + 91 * MINUTE).preempted


def test_success_is_what_the_platform_did_not_fail() -> None:
    """By provider; runs that failed by their own fault count as a success of the platform."""
    hour = LastHour()
    for by_platform in (False, False, False, True):
        hour.ended("local", by_platform, NOW)
    hour.ended("cloud", False, NOW)
    figures = hour.figures(NOW)
    assert 5 == figures.finished
    assert {"cloud": 1.0, "local": 0.75} == figures.success


def test_speed_is_decisions_in_the_time_of_deciding() -> None:
    """Time between cycles does not count."""
    hour = LastHour()
    hour.planned(timedelta(milliseconds=10), 5, NOW)
    hour.planned(timedelta(milliseconds=30), 15, NOW + 10 * MINUTE)
    figures = hour.figures(NOW + 10 * MINUTE)
    assert 500 == pytest.approx(figures.decisions_per_second)
    assert 2 == figures.cycles.count


def test_nothing_is_no_figure() -> None:
    """An hour in which nothing happened has zeros."""
    figures = LastHour().figures(NOW)
    assert (0, 0, Spread(), 0.0) == (
        figures.finished,
        figures.preempted,
        figures.waits,
        figures.decisions_per_second,
    )
