"""A workload, one attempt to run something, and the verbs that move it through its states.

QUEUED -> RUNNING -> FINISHED | CANCELLED | PREEMPTED, and QUEUED -> REFUSED | CANCELLED. Each verb
returns the new workload and the event that says so; a verb that the state does not allow raises
``NotAllowed``.
"""

import enum
from datetime import datetime, timedelta
from typing import TypeAlias

from scheduler_service.domain.events import (
    WorkloadCancelled,
    WorkloadFinished,
    WorkloadPreempted,
    WorkloadQueued,
    WorkloadRefused,
    WorkloadStarted,
)
from scheduler_service.domain.outcome import Outcome
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.prices import Money, charged, cost
from scheduler_service.domain.resources import Placement
from scheduler_service.domain.spec import Program, Simulation, WorkloadSpec
from servicekit.values import PlainValue, field, replace

_MICROSECOND = timedelta(microseconds=1)


class WorkloadState(enum.StrEnum):
    """Where a workload stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    PREEMPTED = "preempted"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (WorkloadState.QUEUED, WorkloadState.RUNNING)


class NotAllowed(Exception):
    """The workload's state does not allow the verb; whoever calls it has looked too late."""


class Workload(PlainValue, frozen=True, kw_only=True):
    """One attempt to run something.

    Attributes:
        traceparent: trace context of the request that caused it; no part of its content.
        allocation_id: the allocation that holds, or held, its devices; empty before the start.
        hourly_price: what a device costs for an hour, known from the start on; None if it never is.
        used_milli_gpu_seconds: what it used, known from its end on.
        cost: the price of that; None where no price is known.
        cause: why it was preempted; None unless it was.
    """

    spec: WorkloadSpec
    program: Program = field(default_factory=Program)
    simulation: Simulation = field(default_factory=Simulation)
    traceparent: str = ""
    state: WorkloadState = WorkloadState.QUEUED
    enqueued_at: datetime
    allocation_id: str = ""
    placement: Placement | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    used_milli_gpu_seconds: int = 0
    hourly_price: Money | None = None
    cost: Money | None = None
    cause: PreemptionCause | None = None

    def same_content(self, other: "Workload") -> bool:
        """Whether both ask for the very same run."""
        return (self.spec, self.program, self.simulation) == (
            other.spec,
            other.program,
            other.simulation,
        )


Started: TypeAlias = tuple[Workload, WorkloadStarted]
Refused: TypeAlias = tuple[Workload, WorkloadRefused]
Finished: TypeAlias = tuple[Workload, WorkloadFinished]
Cancelled: TypeAlias = tuple[Workload, WorkloadCancelled]
Preempted: TypeAlias = tuple[Workload, WorkloadPreempted]


def queued(workload: Workload) -> WorkloadQueued:
    """The event of a new workload's arrival."""
    return WorkloadQueued(workload.spec.id, workload.spec.job_id, workload.spec)


def start(
    workload: Workload,
    allocation_id: str,
    placement: Placement,
    now: datetime,
    price: Money | None = None,
) -> Started:
    """Gives a waiting workload its allocation, at the price of now or what a quote promised."""
    _require(workload, WorkloadState.QUEUED)
    started = replace(
        workload,
        state=WorkloadState.RUNNING,
        allocation_id=allocation_id,
        placement=placement,
        started_at=now,
        hourly_price=charged(price, workload.spec.hourly_price_limit),
    )
    spec = workload.spec
    return started, WorkloadStarted(spec.id, spec.job_id, allocation_id, placement)


def refuse(workload: Workload, reason: str, message: str, now: datetime) -> Refused:
    """Ends a waiting workload that can never run here."""
    _require(workload, WorkloadState.QUEUED)
    refused = replace(workload, state=WorkloadState.REFUSED, ended_at=now)
    return refused, WorkloadRefused(workload.spec.id, workload.spec.job_id, reason, message)


def finish(workload: Workload, outcome: Outcome, ran: timedelta, now: datetime) -> Finished:
    """Ends a running workload; ``ran`` is how long it ran by its backend's measure."""
    _require(workload, WorkloadState.RUNNING)
    finished = replace(_over(workload, WorkloadState.FINISHED, ran, now), outcome=outcome)
    used = finished.used_milli_gpu_seconds
    return finished, WorkloadFinished(
        workload.spec.id, workload.spec.job_id, outcome, used, finished.cost
    )


def cancel(workload: Workload, reason: str, ran: timedelta, now: datetime) -> Cancelled:
    """Ends a waiting or running workload because its caller asked for it."""
    _require(workload, WorkloadState.QUEUED, WorkloadState.RUNNING)
    if workload.state is WorkloadState.QUEUED:
        ran = timedelta()
    cancelled = _over(workload, WorkloadState.CANCELLED, ran, now)
    used = cancelled.used_milli_gpu_seconds
    return cancelled, WorkloadCancelled(
        workload.spec.id, workload.spec.job_id, reason, used, cancelled.cost
    )


def preempt(
    workload: Workload, preemptor_id: str, cause: PreemptionCause, ran: timedelta, now: datetime
) -> Preempted:
    """Takes a running workload's allocation away; its job goes on as a new workload."""
    _require(workload, WorkloadState.RUNNING)
    preempted = replace(_over(workload, WorkloadState.PREEMPTED, ran, now), cause=cause)
    message, used = _BECAUSE[cause].format(preemptor_id), preempted.used_milli_gpu_seconds
    return preempted, WorkloadPreempted(
        workload.spec.id, workload.spec.job_id, preemptor_id, cause, message, used, preempted.cost
    )


_BECAUSE = {
    PreemptionCause.PRIORITY: "Made room for {}, which has a higher priority.",
    PreemptionCause.RECLAIM: "Ran on borrowed quota, which its owner took back for {}.",
    PreemptionCause.ORDER: "Made room for {}, which goes first by the pool's policy.",
    PreemptionCause.NODE_LOST: "Its node was lost.",
    PreemptionCause.NODE_DRAINED: "Its node is drained.",
}


def used_milli_gpu_seconds(spec: WorkloadSpec, ran: timedelta) -> int:
    """Nodes x devices x share x seconds, rounded down; 3,600,000 is one GPU-hour."""
    return spec.demand.milli_gpus * (ran // _MICROSECOND) // 1_000_000


def _over(workload: Workload, state: WorkloadState, ran: timedelta, now: datetime) -> Workload:
    """A workload that has ended, with what it used and what that costs."""
    return replace(
        workload,
        state=state,
        ended_at=now,
        used_milli_gpu_seconds=used_milli_gpu_seconds(workload.spec, ran),
        cost=cost(workload.hourly_price, workload.spec.demand.milli_gpus, ran),
    )


def _require(workload: Workload, *states: WorkloadState) -> None:
    if workload.state not in states:
        raise NotAllowed(f"workload {workload.spec.id} is {workload.state}")
