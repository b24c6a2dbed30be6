"""What simulated runs write."""

from datetime import timedelta

from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.output import STEPS, Source, output_of
from scheduler_service.domain.simulation import Course
from servicekit.values import replace
from tests.scheduler_examples import NOW, workload

COURSE = Course(timedelta(seconds=200), Outcome(OutcomeKind.SUCCEEDED))
RUNNING = replace(workload("w1"), started_at=NOW)


def test_a_run_writes_as_its_virtual_time_passes() -> None:
    """Ten times as fast as the clock; what was written stays as it was."""
    early = output_of(RUNNING, COURSE, 10, NOW + timedelta(seconds=5))
    late = output_of(RUNNING, COURSE, 10, NOW + timedelta(seconds=19.5))
    assert ["Started on no node.", "step 1 of 20", "step 5 of 20"] == [
        early[place].text for place in (0, 1, -1)
    ]
    assert late[: len(early)] == early
    assert STEPS == len(late)
    assert list(range(len(late))) == [line.offset for line in late]


def test_a_run_that_has_ended_says_so_and_writes_no_more() -> None:
    """Cut short where it was stopped; nothing is written before the start."""
    stopped = replace(
        RUNNING,
        ended_at=NOW + timedelta(seconds=3),
        outcome=Outcome(OutcomeKind.PLATFORM_FAILED, message="The node was lost."),
    )
    lines = output_of(stopped, COURSE, 10, NOW + timedelta(days=1))
    assert 1 + 3 + 1 == len(lines)
    assert (Source.PLATFORM, "The node was lost.") == (lines[-1].source, lines[-1].text)
    assert [] == output_of(workload("w1"), COURSE, 10, NOW)
