"""What happens to workloads, as the service's log keeps it.

An event carries everything that a reader of the log needs, so that nobody has to ask for more.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from scheduler_service.domain.outcome import Outcome
from scheduler_service.domain.resources import Placement
from scheduler_service.domain.spec import WorkloadSpec


@dataclass(frozen=True, slots=True)
class WorkloadQueued:
    """It was accepted and waits."""

    kind: ClassVar[str] = "workload.queued"
    workload_id: str
    job_id: str
    spec: WorkloadSpec


@dataclass(frozen=True, slots=True)
class WorkloadStarted:
    """It got its allocation and runs."""

    kind: ClassVar[str] = "workload.started"
    workload_id: str
    job_id: str
    allocation_id: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class WorkloadFinished:
    """It ended by itself, by its time limit or by a fault."""

    kind: ClassVar[str] = "workload.finished"
    workload_id: str
    job_id: str
    outcome: Outcome
    used_milli_gpu_seconds: int


@dataclass(frozen=True, slots=True)
class WorkloadCancelled:
    """Its caller cancelled it; it used nothing unless it had run."""

    kind: ClassVar[str] = "workload.cancelled"
    workload_id: str
    job_id: str
    reason: str
    used_milli_gpu_seconds: int


@dataclass(frozen=True, slots=True)
class WorkloadRefused:
    """It can never run here; ``reason`` is for programs, ``message`` for people."""

    kind: ClassVar[str] = "workload.refused"
    workload_id: str
    job_id: str
    reason: str
    message: str


WorkloadEvent: TypeAlias = (
    WorkloadQueued | WorkloadStarted | WorkloadFinished | WorkloadCancelled | WorkloadRefused
)
