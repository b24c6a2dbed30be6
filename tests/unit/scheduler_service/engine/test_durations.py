"""How long what runs is expected to go on."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.domain.scheduling.durations import (
    OVERDUE,
    UNKNOWN,
    expected_end,
    remaining,
    remaining_line,
)
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.requests import SECOND, Job, Request, Shape

HOUR = 3_600 * SECOND
SPANS = st.integers(1, 3 * HOUR)


def running(expected: int | None, limit: int | None = None, served: int = 0, since: int = 0) -> Job:
    """A run of which something is expected, since a time and with service from before."""
    engine = Engine()
    request = Request("run", Shape(), since, estimate=expected, limit=limit)
    engine.step(since, [NodeUp(NodeSpec("node", devices=1)), Submit(request)])
    job = engine.jobs["run"]
    job.served = served
    return job


@given(
    st.none() | SPANS,
    st.none() | SPANS,
    st.integers(0, 2 * HOUR),
    st.integers(0, 5 * HOUR),
    st.integers(0, HOUR),
)
def test_a_line_tells_what_is_left_until_it_ends(
    expected: int | None, limit: int | None, served: int, passed: int, further: int
) -> None:
    """At every time before its end, and its end is later than now."""
    job = running(expected, limit, served)
    line = remaining_line(job, passed)
    assert line.until is None or line.until > passed
    later = passed + further if line.until is None else min(passed + further, line.until - 1)
    assert remaining(job, passed) == line.at(passed)
    assert remaining(job, later) == line.at(later)


def test_what_is_expected_falls_and_then_grows() -> None:
    """It falls to its end, stays at the least for as long, and then is what it has run for."""
    job = running(HOUR)
    assert remaining_line(job, 0)[:] == (-1, HOUR, HOUR)
    assert remaining_line(job, HOUR)[:] == (1, 0, None)
    short = running(10 * SECOND)
    assert remaining_line(short, 10 * SECOND)[:] == (0, OVERDUE, OVERDUE)


def test_of_the_unknown_an_hour_is_left_at_least() -> None:
    """And from the first hour on as much as it has run for."""
    job = running(None)
    assert remaining(job, 0) == UNKNOWN
    assert remaining(job, 2 * HOUR) == 2 * HOUR


def test_nothing_goes_on_beyond_its_limit() -> None:
    """However long it was expected to; there is always some time left."""
    job = running(3 * HOUR, limit=HOUR)
    assert remaining(job, 0) == HOUR
    assert remaining(job, 2 * HOUR) == 1


@given(st.none() | SPANS, st.none() | SPANS, st.integers(0, 5 * HOUR))
def test_an_expected_end_stands_until_it_has_passed(
    expected: int | None, limit: int | None, passed: int
) -> None:
    """Whoever asks in between is told the same."""
    job = running(expected, limit)
    end = expected_end(job, passed)
    assert end > passed
    assert expected_end(job, (passed + end) // 2) == end
    assert expected_end(job, end - 1) == end
    assert expected_end(job, end) > end
