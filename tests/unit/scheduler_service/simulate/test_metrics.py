"""What the figures mean, worked out by hand."""

import math

import pytest

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate import inventory, metrics
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import Spread
from scheduler_service.simulate.policies import POLICIES
from scheduler_service.simulate.timeline import SPANS, Timeline
from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.trace import Trace, Traits


def test_figures_of_two_jobs() -> None:
    """One node; the second job of another team waits for ten seconds and runs for thirty."""
    trace = Trace("two jobs")
    trace.add(0, 10 * SECOND, whole(8, 8), Traits(team="red"))
    trace.add(0, 30 * SECOND, whole(4, 8), Traits(team="blue"))
    figures = metrics.measure(trace, simulate(trace, inventory.parse("1x8"), POLICIES["fifo"]))

    assert (2, 2, 0) == (figures.jobs, figures.ended, figures.refused)
    assert (5.0, 0.0, 10.0) == (figures.queue.mean, figures.queue.p50, figures.queue.p99)
    assert figures.queue == figures.wait
    assert (25.0, 10.0, 40.0) == (figures.jct.mean, figures.jct.p50, figures.jct.longest)
    assert pytest.approx((1 + 40 / 30) / 2) == figures.slowdown.mean
    assert 40.0 == figures.makespan_s
    assert pytest.approx((8 * 10 + 4 * 30) / (8 * 40)) == figures.utilisation
    assert pytest.approx(figures.utilisation) == figures.goodput
    assert (0, 0, 0.0) == (figures.preemptions, figures.preempted_jobs, figures.lost_gpu_hours)
    assert pytest.approx((1 + 0.75) ** 2 / (2 * (1 + 0.75**2))) == figures.fairness
    assert 2 == figures.decisions


def test_queue_by_team() -> None:
    """Each team has its own spread."""
    trace = Trace("two teams")
    trace.add(0, 10 * SECOND, whole(8, 8), Traits(team="red"))
    trace.add(0, 10 * SECOND, whole(8, 8), Traits(team="blue"))
    outcome = simulate(trace, inventory.parse("1x8"), POLICIES["fifo"])

    by_team = metrics.queue_by_team(trace, outcome)

    assert {"blue": 10.0, "red": 0.0} == {team: it.mean for team, it in by_team.items()}


def test_slowdown_is_bounded() -> None:
    """A job of a second that waited five is not six times slower: both count as ten seconds."""
    assert 1.0 == metrics.slowdown(6 * SECOND, SECOND)
    assert 2.0 == metrics.slowdown(20 * SECOND, SECOND)
    assert 3.0 == metrics.slowdown(90 * SECOND, 30 * SECOND)


@pytest.mark.parametrize(
    ("values", "expected"), [([1, 1, 1, 1], 1.0), ([1, 0, 0, 0], 0.25), ([3], 1.0)]
)
def test_jain(values: list[float], expected: float) -> None:
    """From 1 for all alike to 1/n for one who has everything."""
    assert expected == metrics.jain(values)


def test_jain_of_nothing() -> None:
    """There is none."""
    assert math.isnan(metrics.jain([]))


@pytest.mark.parametrize(("part", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)])
def test_quantiles(part: float, expected: int) -> None:
    """The smallest value that the part does not exceed."""
    assert expected == metrics.quantile(list(range(1, 101)), part)


def test_a_spread_of_nothing() -> None:
    """Is unknown, not zero."""
    assert math.isnan(Spread.of([]).p99)


def test_a_long_timeline_keeps_its_sums() -> None:
    """Spans grow with the time; what was counted stays counted."""
    timeline = Timeline()
    timeline.advance(10 * SECOND, 2, 1_000)
    timeline.advance(SPANS * 5 * SECOND, 1, 3_000)
    rest = SPANS * 5 - 10

    assert 8 * SECOND == timeline.width
    assert pytest.approx((20 + rest) * SECOND) == sum(timeline.queued)
    assert pytest.approx((10 + 3 * rest) * 1_000 * SECOND) == sum(timeline.busy)
    assert (4.0, 2.0, 1_000.0) == timeline.points()[0]
    assert pytest.approx((12.0, (2 * 2 + 6) / 8, (2 + 6 * 3) * 1_000 / 8)) == timeline.points()[1]
    assert len(timeline.points()) == -(-SPANS * 5 // 8)
    assert len(timeline.points(together=4)) == -(-SPANS * 5 // 32)
