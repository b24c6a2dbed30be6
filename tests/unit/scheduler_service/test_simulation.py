"""What a simulated run does."""

import subprocess
import sys
from datetime import timedelta

import pytest

from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.simulation import course
from scheduler_service.domain.spec import Simulation, WorkloadSpec

MINUTE = timedelta(minutes=1)
SCRIPT = """
from datetime import timedelta
from scheduler_service.domain.simulation import course
from scheduler_service.domain.spec import Simulation, WorkloadSpec
for number in range(20):
    print(course(WorkloadSpec(id=f"w{number}"), Simulation(), "seed", 0.5))
"""


def spec(workload_id: str = "w", **fields: timedelta) -> WorkloadSpec:
    """A workload with these spans."""
    return WorkloadSpec(id=workload_id, **fields)  # type: ignore[arg-type]


def test_a_given_duration_is_kept_exactly() -> None:
    """A run of five minutes takes five minutes and succeeds."""
    it = course(spec(), Simulation(5 * MINUTE), "seed", 0)
    assert (5 * MINUTE, OutcomeKind.SUCCEEDED) == (it.duration, it.outcome.kind)


def test_without_a_duration_a_run_takes_half_to_all_of_its_estimate() -> None:
    """Runs differ from each other, and another seed gives other runs."""
    spans = [
        course(spec(f"w{number}", estimated_duration=MINUTE), Simulation(), "seed", 0).duration
        for number in range(100)
    ]
    assert all(MINUTE / 2 <= span <= MINUTE for span in spans)
    assert len(set(spans)) > 90
    assert spans[0] != course(spec("w0", estimated_duration=MINUTE), Simulation(), "x", 0).duration


def test_without_an_estimate_a_run_takes_five_to_ten_minutes() -> None:
    """Ten minutes is what is assumed."""
    assert 5 * MINUTE <= course(spec(), Simulation(), "seed", 0).duration <= 10 * MINUTE


def test_an_exit_code_is_the_users_failure() -> None:
    """The code comes back."""
    outcome = course(spec(), Simulation(MINUTE, 3), "seed", 0).outcome
    assert Outcome(OutcomeKind.USER_FAILED, 3, "The program ended with exit code 3.") == outcome


def test_a_run_is_stopped_at_its_maximum_runtime() -> None:
    """Whatever its own end would have been."""
    it = course(spec(max_runtime=MINUTE), Simulation(2 * MINUTE, 3), "seed", 0)
    assert (MINUTE, OutcomeKind.TIMED_OUT) == (it.duration, it.outcome.kind)
    exact = course(spec(max_runtime=MINUTE), Simulation(MINUTE), "seed", 0)
    assert OutcomeKind.SUCCEEDED == exact.outcome.kind


@pytest.mark.parametrize(
    ("rate", "least", "most"), [(0.0, 0, 0), (0.3, 200, 400), (1.0, 1000, 1000)]
)
def test_the_platform_fails_the_given_part_of_runs(rate: float, least: int, most: int) -> None:
    """Somewhere on the way, always the same ones."""
    runs = [course(spec(f"w{number}"), Simulation(MINUTE), "seed", rate) for number in range(1000)]
    failed = [it for it in runs if it.outcome.kind is OutcomeKind.PLATFORM_FAILED]
    assert least <= len(failed) <= most
    assert all(it.duration < MINUTE for it in failed)
    again = [course(spec(f"w{number}"), Simulation(MINUTE), "seed", rate) for number in range(1000)]
    assert runs == again


def test_the_course_is_the_same_in_every_process() -> None:
    """Whatever the process's own hash seed."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(outputs)
