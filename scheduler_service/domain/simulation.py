"""What a simulated run does: a pure function of the workload, a seed and a failure rate.

Chance comes from hashes of seed and id, so that a run does the same after every restart and in
every process, whatever else happens.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.spec import Simulation, WorkloadSpec

DEFAULT_DURATION = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Course:
    """How long a run takes, in virtual time, and how it ends."""

    duration: timedelta
    outcome: Outcome


_SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED)


def course(spec: WorkloadSpec, simulation: Simulation, seed: str, failure_rate: float) -> Course:
    """The run's course.

    Without a duration of its own a run takes half to all of its estimate. ``failure_rate`` is the
    part of runs, 0 to 1, that the platform fails somewhere on the way; a run that would pass its
    maximum runtime is stopped there.
    """
    duration = simulation.duration
    if duration is None:
        estimate = spec.estimated_duration or DEFAULT_DURATION
        duration = estimate * (0.5 + 0.5 * _chance(seed, "duration", spec.id))
    outcome = _own_end(simulation)
    if failure_rate and _chance(seed, "failure", spec.id) < failure_rate:
        duration *= _chance(seed, "moment", spec.id)
        outcome = Outcome(OutcomeKind.PLATFORM_FAILED, message="The simulated node failed.")
    if spec.max_runtime is not None and duration > spec.max_runtime:
        duration = spec.max_runtime
        outcome = Outcome(OutcomeKind.TIMED_OUT, message="The maximum runtime was over.")
    return Course(duration, outcome)


def _own_end(simulation: Simulation) -> Outcome:
    code = simulation.exit_code
    if code == 0:
        return _SUCCEEDED
    return Outcome(OutcomeKind.USER_FAILED, code, f"The program ended with exit code {code}.")


def _chance(seed: str, what: str, workload_id: str) -> float:
    """A number from 0 up to, but not including, 1."""
    text = f"{seed}/{what}/{workload_id}".encode()
    return (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 11) / 2**53
