"""The life of a job. Every transition is a verb; a verb that the state does not allow is refused.

PENDING -> APPROVED -> QUEUED -> RUNNING -> COMPLETED | FAILED; PENDING -> REJECTED; RUNNING ->
QUEUED when a run lost its place or is tried again; any unfinished -> CANCELLED, or FAILED for a
reason that is not its run's. A job is what the user asked for, a run one attempt at it.
"""

from datetime import datetime
from typing import Any, NamedTuple

from job_service.domain.errors import JobStateForbids, SelfApprovalForbidden
from job_service.domain.prices import Money
from job_service.domain.runs import (
    Failure,
    Fault,
    Placement,
    RetryRule,
    Run,
    RunState,
    further_run_id,
)
from job_service.domain.spec import JobSpec
from job_service.domain.states import EventKind, JobState
from servicekit.values import Value, replace

SCHEDULER = "scheduler"
SYSTEM = "system"


class Owner(Value, frozen=True):
    """Whose job it is: the user's id, name and team at the time of submission."""

    id: str
    name: str
    team: str


class Approval(Value, frozen=True):
    """One approval: an admin's, or a rule's, which has no id."""

    approver_id: str
    approver: str
    at: datetime
    comment: str = ""


class Change(NamedTuple):
    """What a verb made of a job: the job as it is now, and the event that says so."""

    job: "Job"
    event: "JobEvent"


class Job(Value, frozen=True):
    """A job. ``reserved`` and ``used`` are milli-GPU-seconds.

    Attributes:
        changes: counts its changes from 1.
        run: the latest run; those before it are kept beside the job.
        team_charged: whether its team had a limit when it was submitted.
        retries: how many of its runs followed a failure.
        held_until: when a run that waits out a pause goes to the scheduler.
        origin_id: the job that this one is a retry of.
        array_id: the array's first job, for all jobs of an array.
        approvals: every approval given, in order; ``approvals_needed`` are enough.
        price_limit: most that a device may cost for an hour, as a quote held it.
        asked_by: the rule that left the job to admins, as "rule:<name>"; empty if none did.
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
    team_charged: bool = False
    retries: int = 0
    held_until: datetime | None = None
    origin_id: str = ""
    array_id: str = ""
    array_index: int = 0
    approvals: tuple[Approval, ...] = ()
    approvals_needed: int = 1
    asked_by: str = ""
    price_limit: Money | None = None

    def approve(self, by: str, comment: str, now: datetime, by_id: str = "") -> Change:
        """Lets a pending job go ahead, or brings it one approval nearer.

        A rule has no ``by_id``, and its word is enough.

        Raises:
            SelfApprovalForbidden: the job needs two approvals, and none of them is its owner's.
        """
        self._demand("be approved", JobState.PENDING)
        if by_id and self.approvals_needed > 1 and by_id == self.owner.id:
            raise SelfApprovalForbidden(self.id, self.approvals_needed)
        given = (*self.approvals, Approval(by_id, by, now, comment))
        if by_id and len(given) < self.approvals_needed:
            event = EventKind.PARTLY_APPROVED, by, comment, now
            return self._became(*event, state=JobState.PENDING, approvals=given)
        event = EventKind.APPROVED, by, comment, now
        return self._became(
            *event, state=JobState.APPROVED, approved_by=by, approved_at=now, approvals=given
        )

    def reject(self, by: str, reason: str, now: datetime) -> Change:
        """Ends a pending job; its quota goes back."""
        self._demand("be rejected", JobState.PENDING)
        event = EventKind.REJECTED, by, reason, now
        return self._became(
            *event, state=JobState.REJECTED, reject_reason=reason, ended_at=now, reserved=0
        )

    def queue(self, run_id: str, by: str, now: datetime) -> Change:
        """Hands an approved job over to the scheduler, as its first run."""
        self._demand("be started", JobState.APPROVED)
        if not self.due(now):
            raise JobStateForbids("be started before its time", self.id, self.state)
        run = Run(run_id, self.run_count + 1, RunState.QUEUED, queued_at=now)
        event = EventKind.QUEUED, by, "", now
        return self._became(
            *event, state=JobState.QUEUED, queued_at=now, run=run, run_count=run.attempt
        )

    def due(self, now: datetime) -> bool:
        """Whether the time has come before which the job was not to be queued."""
        return self.spec.not_before is None or self.spec.not_before <= now

    def hand_over(self, by: str, now: datetime) -> Change:
        """Ends the pause before a further run, which goes to the scheduler now."""
        self._current_run("be tried again", JobState.QUEUED)
        if self.held_until is None:
            raise JobStateForbids("be tried again", self.id, self.state)
        event = EventKind.QUEUED, by, "", now
        return self._became(*event, state=JobState.QUEUED, held_until=None)

    def run_started(self, placement: Placement, now: datetime) -> Change:
        """The scheduler placed the run and its backend was told."""
        run = self._current_run("start running", JobState.QUEUED)
        run = replace(run, state=RunState.RUNNING, placement=placement, started_at=now)
        event = EventKind.STARTED, SCHEDULER, "", now
        return self._became(*event, state=JobState.RUNNING, started_at=now, run=run)

    def run_ended(
        self,
        failure: Failure | None,
        used: int,
        now: datetime,
        *,
        by: str = SCHEDULER,
        cost: Money | None = None,
    ) -> Change:
        """The run ended by itself, or could never start: well if ``failure`` is None.

        A run's use counts unless the platform failed it.
        """
        state = RunState.FAILED if failure else RunState.COMPLETED
        run = self._over("end", state, used, now, cost)
        kind = EventKind.FAILED if failure else EventKind.COMPLETED
        event = kind, by, failure.message if failure else "", now
        return self._became(
            *event,
            state=JobState.FAILED if failure else JobState.COMPLETED,
            run=_failed(run, failure) if failure else run,
            failure=failure,
            used=self.used + self._billed(failure, used),
            reserved=0,
            held_until=None,
            ended_at=now,
        )

    def try_again(
        self,
        failure: Failure,
        used: int,
        rule: RetryRule,
        now: datetime,
        cost: Money | None = None,
    ) -> tuple[Change, Run]:
        """The run failed in a way that is tried again, after a pause, as a new run.

        What it used counts as in ``run_ended``; the new run holds as much quota as the first.
        Answers with the run that is over, too.
        """
        over = self._over("be tried again", RunState.FAILED, used, now, cost)
        event = EventKind.RETRIED, SCHEDULER, failure.message, now
        change = self._became(
            *event,
            **self._again(now),
            used=self.used + self._billed(failure, used),
            reserved=self.spec.reservation,
            retries=self.retries + 1,
            held_until=now + rule.pause(self.retries),
        )
        return change, _failed(over, failure)

    def preempted(
        self,
        reason: str,
        used: int,
        now: datetime,
        *,
        counts: bool = False,
        cost: Money | None = None,
    ) -> tuple[Change, Run]:
        """The run lost its place and waits again as a new run; what it used is not charged.

        ``counts`` says whether that was one of the retries that the job has. Answers with the run
        that is over, too.
        """
        over = self._over("be preempted", RunState.PREEMPTED, used, now, cost)
        event = EventKind.PREEMPTED, SCHEDULER, reason, now
        return self._became(*event, **self._again(now), retries=self.retries + counts), over

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
            held_until=None,
            reserved=0,
        )

    def fail(self, failure: Failure, by: str, now: datetime) -> Change:
        """Ends an unfinished job as failed for a reason that is not its run's.

        Its quota goes back in full, a run is stopped afterwards.
        """
        if self.state.ended:
            raise JobStateForbids("fail", self.id, self.state)
        run = replace(self.run, state=RunState.FAILED, ended_at=now) if self.run else None
        run = _failed(run, failure) if run else None
        event = EventKind.FAILED, by, failure.message, now
        return self._became(
            *event,
            state=JobState.FAILED,
            run=run,
            failure=failure,
            ended_at=now,
            held_until=None,
            reserved=0,
        )

    def set_ended(self, failure: Failure | None, by: str, now: datetime) -> Change:
        """An admin ends a running job, well if ``failure`` is None; its quota goes back in full."""
        self._demand("be ended by an admin", JobState.RUNNING)
        return self.fail(failure, by, now) if failure else self.run_ended(None, 0, now, by=by)

    def _demand(self, verb: str, *states: JobState) -> None:
        if self.state not in states:
            raise JobStateForbids(verb, self.id, self.state)

    def _current_run(self, verb: str, *states: JobState) -> Run:
        self._demand(verb, *states)
        if self.run is None:
            raise LookupError(f"job {self.id} was queued without a run")
        return self.run

    def _over(
        self, verb: str, state: RunState, used: int, now: datetime, cost: Money | None
    ) -> Run:
        """The current run as one that has ended."""
        run = self._current_run(verb, JobState.QUEUED, JobState.RUNNING)
        return replace(run, state=state, ended_at=now, used=used, cost=cost)

    def _again(self, now: datetime) -> dict[str, Any]:
        """What a job has whose next run begins to wait."""
        attempt = self.run_count + 1
        run = Run(further_run_id(self.id, attempt), attempt, RunState.QUEUED, queued_at=now)
        return {
            "state": JobState.QUEUED,
            "queued_at": now,
            "started_at": None,
            "run": run,
            "run_count": attempt,
        }

    def _billed(self, failure: Failure | None, used: int) -> int:
        if failure and failure.fault is Fault.PLATFORM:
            return 0
        return used if self.spec.overruns else min(used, self.reserved)

    def _became(
        self, kind: EventKind, actor: str, reason: str, now: datetime, /, **new: Any
    ) -> Change:
        job = replace(self, **new, updated_at=now, changes=self.changes + 1)
        return Change(job, JobEvent(kind, job, actor, reason, now, self.state))


def _failed(run: Run, failure: Failure) -> Run:
    """The run with why it failed."""
    return replace(run, failure=failure, exit_code=failure.exit_code)


class JobEvent(Value, frozen=True):
    """Something that happened to a job, with the job as it was right after it."""

    kind: EventKind
    job: Job
    actor: str
    reason: str
    at: datetime
    previous_state: JobState | None = None
