"""What happens to workloads, as the service's log keeps it.

An event carries everything that a reader of the log needs, so that nobody has to ask for more.
"""

from typing import ClassVar, TypeAlias

from scheduler_service.domain.outcome import Outcome
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Placement
from scheduler_service.domain.spec import WorkloadSpec
from servicekit.values import Value


class WorkloadQueued(Value, frozen=True):
    """It was accepted and waits."""

    kind: ClassVar[str] = "workload.queued"
    workload_id: str
    job_id: str
    spec: WorkloadSpec


class WorkloadStarted(Value, frozen=True):
    """It got its allocation and runs."""

    kind: ClassVar[str] = "workload.started"
    workload_id: str
    job_id: str
    allocation_id: str
    placement: Placement


class WorkloadFinished(Value, frozen=True):
    """It ended by itself, by its time limit or by a fault."""

    kind: ClassVar[str] = "workload.finished"
    workload_id: str
    job_id: str
    outcome: Outcome
    used_milli_gpu_seconds: int
    cost: Money | None = None


class WorkloadCancelled(Value, frozen=True):
    """Its caller cancelled it; it used nothing unless it had run."""

    kind: ClassVar[str] = "workload.cancelled"
    workload_id: str
    job_id: str
    reason: str
    used_milli_gpu_seconds: int
    cost: Money | None = None


class WorkloadPreempted(Value, frozen=True):
    """It lost its allocation to another workload or with its node, and is over.

    Attributes:
        preemptor_id: in whose favour; empty when its node was lost.
        message: one sentence for people.
    """

    kind: ClassVar[str] = "workload.preempted"
    workload_id: str
    job_id: str
    preemptor_id: str
    cause: PreemptionCause
    message: str
    used_milli_gpu_seconds: int
    cost: Money | None = None


class WorkloadRefused(Value, frozen=True):
    """It can never run here; ``reason`` is for programs, ``message`` for people."""

    kind: ClassVar[str] = "workload.refused"
    workload_id: str
    job_id: str
    reason: str
    message: str


WorkloadEvent: TypeAlias = (
    WorkloadQueued
    | WorkloadStarted
    | WorkloadFinished
    | WorkloadCancelled
    | WorkloadPreempted
    | WorkloadRefused
)
