"""The life of a job. Every transition is a verb; a verb that the state does not allow is refused.

PENDING -> APPROVED -> QUEUED -> RUNNING -> COMPLETED | FAILED; PENDING -> REJECTED; any unfinished
-> CANCELLED; RUNNING -> QUEUED when its run lost its place. A job is what the user asked for, a run
one attempt at it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from job_service.domain.errors import JobStateForbids
from job_service.domain.spec import JobSpec
from servicekit.values import Value, replace


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return self in ENDED


ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED})


class EventKind(StrEnum):
    """What happened to a job."""

    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    QUEUED = "QUEUED"
    STARTED = "STARTED"
    PREEMPTED = "PREEMPTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Fault(StrEnum):
    """Whose fault a failure was."""

    USER = "USER"
    PLATFORM = "PLATFORM"


class FailureReason(StrEnum):
    """What made a job fail."""

    EXIT_CODE = "EXIT_CODE"
    TIMEOUT = "TIMEOUT"
    UNSATISFIABLE = "UNSATISFIABLE"
    BACKEND_ERROR = "BACKEND_ERROR"


class Failure(Value, frozen=True):
    """Why a job failed, and whose fault it was."""

    fault: Fault
    reason: FailureReason
    message: str = ""
    exit_code: int = 0


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"


class DeviceSlice(Value, frozen=True):
    """A share of one device, in milli-GPUs."""

    index: int
    milli_gpu: int


class NodeSlice(Value, frozen=True):
    """What a run holds on one node."""

    node_id: str
    node: str
    gpu_type: str
    devices: tuple[DeviceSlice, ...]
    vcpus: int = 0
    memory_gb: int = 0


class Placement(Value, frozen=True):
    """Where a run runs."""

    allocation_id: str
    pool: str
    provider: str
    slices: tuple[NodeSlice, ...]


class Run(Value, frozen=True):
    """One attempt to run a job. ``used`` is in milli-GPU-seconds."""

    id: str
    attempt: int
    state: RunState
    queued_at: datetime
    placement: Placement | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int = 0
    used: int = 0


class Owner(Value, frozen=True):
    """Whose job it is: the user's id, name and team at the time of submission."""

    id: str
    name: str
    team: str


class Change(NamedTuple):
    """What a verb made of a job: the job as it is now, and the event that says so."""

    job: "Job"
    event: "JobEvent"


class Job(Value, frozen=True):
    """A job. ``reserved`` and ``used`` are milli-GPU-seconds.

    ``changes`` counts its changes from 1.
    """

    id: str
    owner: Owner
    spec: JobSpec
    state: JobState
    created_at: datetime
    updated_at: datetime
    reserved: int
    period: str
    changes: int = 1
    used: int = 0
    approved_by: str = ""
    reject_reason: str = ""
    cancelled_by: str = ""
    cancel_reason: str = ""
    approved_at: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run: Run | None = None
    run_count: int = 0
    failure: Failure | None = None

    def approve(self, by: str, comment: str, now: datetime) -> Change:
        """Lets a pending job go ahead."""
        self._demand("be approved", JobState.PENDING)
        event = EventKind.APPROVED, by, comment, now
        return self._became(*event, state=JobState.APPROVED, approved_by=by, approved_at=now)

    def reject(self, by: str, reason: str, now: datetime) -> Change:
        """Ends a pending job; its quota goes back."""
        self._demand("be rejected", JobState.PENDING)
        event = EventKind.REJECTED, by, reason, now
        return self._became(
            *event, state=JobState.REJECTED, reject_reason=reason, ended_at=now, reserved=0
        )

    def queue(self, run_id: str, by: str, now: datetime) -> Change:
        """Hands an approved job over to the scheduler, as a new run."""
        self._demand("be started", JobState.APPROVED)
        run = Run(run_id, self.run_count + 1, RunState.QUEUED, queued_at=now)
        event = EventKind.QUEUED, by, "", now
        return self._became(
            *event, state=JobState.QUEUED, queued_at=now, run=run, run_count=run.attempt
        )

    def run_started(self, placement: Placement, now: datetime) -> Change:
        """The scheduler placed the run and its backend was told."""
        run = self._current_run("start running", JobState.QUEUED)
        run = replace(run, state=RunState.RUNNING, placement=placement, started_at=now)
        event = EventKind.STARTED, SCHEDULER, "", now
        return self._became(*event, state=JobState.RUNNING, started_at=now, run=run)

    def run_ended(self, failure: Failure | None, used: int, now: datetime) -> Change:
        """The run ended by itself, or could never start: well if ``failure`` is None.

        A run's use counts unless the platform failed it.
        """
        run = self._current_run("end", JobState.QUEUED, JobState.RUNNING)
        run_state = RunState.FAILED if failure else RunState.COMPLETED
        exit_code = failure.exit_code if failure else 0
        run = replace(run, state=run_state, ended_at=now, used=used, exit_code=exit_code)
        billed = 0 if failure and failure.fault is Fault.PLATFORM else min(used, self.reserved)
        kind = EventKind.FAILED if failure else EventKind.COMPLETED
        event = kind, SCHEDULER, failure.message if failure else "", now
        return self._became(
            *event,
            state=JobState.FAILED if failure else JobState.COMPLETED,
            run=run,
            failure=failure,
            used=self.used + billed,
            reserved=0,
            ended_at=now,
        )

    def run_preempted(self, message: str, now: datetime) -> Change:
        """The run lost its place and the job waits again, as a new run that begins anew.

        What the run used is not counted: it was not its owner's fault. The reservation stays.
        """
        lost = self._current_run("lose its place", JobState.RUNNING)
        run = Run(following(lost.id), lost.attempt + 1, RunState.QUEUED, queued_at=now)
        event = EventKind.PREEMPTED, SCHEDULER, message, now
        return self._became(
            *event,
            state=JobState.QUEUED,
            queued_at=now,
            started_at=None,
            run=run,
            run_count=run.attempt,
        )

    def cancel(self, by: str, reason: str, now: datetime) -> Change:
        """Ends an unfinished job at once.

        Its quota goes back in full, a run is stopped afterwards.
        """
        if self.state.ended:
            raise JobStateForbids("be cancelled", self.id, self.state)
        run = replace(self.run, state=RunState.CANCELLED, ended_at=now) if self.run else None
        event = EventKind.CANCELLED, by, reason, now
        return self._became(
            *event,
            state=JobState.CANCELLED,
            run=run,
            cancelled_by=by,
            cancel_reason=reason,
            ended_at=now,
            reserved=0,
        )

    def _demand(self, verb: str, *states: JobState) -> None:
        if self.state not in states:
            raise JobStateForbids(verb, self.id, self.state)

    def _current_run(self, verb: str, *states: JobState) -> Run:
        self._demand(verb, *states)
        if self.run is None:
            raise LookupError(f"job {self.id} was queued without a run")
        return self.run

    def _became(
        self, kind: EventKind, actor: str, reason: str, now: datetime, /, **new: Any
    ) -> Change:
        job = replace(self, **new, updated_at=now, changes=self.changes + 1)
        return Change(job, JobEvent(kind, job, actor, reason, now, self.state))


SCHEDULER = "scheduler"

_RUNS = UUID("2f5e3d7c-52a4-4f0e-9d53-6c1f0a8b7e21")


def following(run_id: str) -> str:
    """The id of the run that takes the place of another; the same whenever it is asked for."""
    return str(uuid5(_RUNS, run_id))


class JobEvent(Value, frozen=True):
    """Something that happened to a job, with the job as it was right after it."""

    kind: EventKind
    job: Job
    actor: str
    reason: str
    at: datetime
    previous_state: JobState | None = None


def submit(job_id: str, owner: Owner, spec: JobSpec, period: str, now: datetime) -> Change:
    """A new job, waiting for approval, that holds the quota it may need from ``period``."""
    job = Job(
        job_id, owner, spec, JobState.PENDING, now, now, reserved=spec.reservation, period=period
    )
    return Change(job, JobEvent(EventKind.SUBMITTED, job, owner.name, "", now))
