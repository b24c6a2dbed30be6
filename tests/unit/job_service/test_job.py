"""The life of a job, verb by verb."""

from collections.abc import Callable

import pytest

from job_service.domain.errors import JobStateForbids
from job_service.domain.job import Change, Job, JobEvent
from job_service.domain.reports import ReportKind
from job_service.domain.runs import Failure, FailureReason, Fault, RunState
from job_service.domain.states import ENDED, EventKind, JobState
from tests.fakes.jobs import ADA, HOUR, NOW, PLACEMENT, later, pending, queued, report, running
from tests.fakes.jobs import submitted as submitted_change

CRASH = Failure(Fault.USER, FailureReason.EXIT_CODE, "exited with code 3", 3)
LOST = Failure(Fault.PLATFORM, FailureReason.BACKEND_ERROR, "node lost")

IN_STATE: dict[JobState, Job] = {
    JobState.PENDING: pending(),
    JobState.APPROVED: pending().approve("root", "", NOW).job,
    JobState.QUEUED: queued(),
    JobState.RUNNING: running(),
    JobState.COMPLETED: running().run_ended(None, 5, NOW).job,
    JobState.FAILED: running().run_ended(CRASH, 5, NOW).job,
    JobState.REJECTED: pending().reject("root", "no", NOW).job,
    JobState.CANCELLED: pending().cancel("Ada", "", NOW).job,
}
UNFINISHED = frozenset(JobState) - ENDED

VERBS: dict[str, tuple[frozenset[JobState], Callable[[Job], Change]]] = {
    "be approved": (frozenset({JobState.PENDING}), lambda job: job.approve("root", "", NOW)),
    "be rejected": (frozenset({JobState.PENDING}), lambda job: job.reject("root", "no", NOW)),
    "be started": (frozenset({JobState.APPROVED}), lambda job: job.queue("r1", "root", NOW)),
    "start running": (frozenset({JobState.QUEUED}), lambda job: job.run_started(PLACEMENT, NOW)),
    "end": (
        frozenset({JobState.QUEUED, JobState.RUNNING}),
        lambda job: job.run_ended(None, 0, NOW),
    ),
    "be cancelled": (UNFINISHED, lambda job: job.cancel("Ada", "", NOW)),
}


FORBIDDEN = [
    (verb, state)
    for verb, (allowed, _) in VERBS.items()
    for state in JobState
    if state not in allowed
]


@pytest.mark.parametrize(("verb", "state"), FORBIDDEN)
def test_a_forbidden_verb_names_the_state(verb: str, state: JobState) -> None:
    """What a state does not allow is refused, and the refusal says which state it is."""
    with pytest.raises(JobStateForbids) as refused:
        VERBS[verb][1](IN_STATE[state])
    assert {"job_id": "j1", "state": state.value, "verb": verb} == refused.value.metadata
    assert state.value in refused.value.message


@pytest.mark.parametrize("verb", VERBS)
def test_every_change_is_told_by_an_event(verb: str) -> None:
    """A verb counts the change, notes the time, and its event holds the job right after it."""
    allowed, act = VERBS[verb]
    for state in allowed:
        before = IN_STATE[state]
        after, event = act(before)
        assert (before.changes + 1, NOW) == (after.changes, after.updated_at)
        assert (after, state, NOW) == (event.job, event.previous_state, event.at)


def test_a_submitted_job_waits_and_holds_quota() -> None:
    """One GPU for one hour is 3,600,000 milli-GPU-seconds."""
    job, event = submitted_change(hours=1)
    assert (JobState.PENDING, HOUR, "2026-03", 1) == (
        job.state,
        job.reserved,
        job.period,
        job.changes,
    )
    assert JobEvent(EventKind.SUBMITTED, job, ADA.name, "", NOW) == event
    assert event.previous_state is None


def test_approval_tells_by_whom_and_why() -> None:
    """The approver stands on the job, the comment in the event."""
    job, event = pending().approve("root", "fine", later())
    assert (JobState.APPROVED, "root", later()) == (job.state, job.approved_by, job.approved_at)
    assert (EventKind.APPROVED, "root", "fine") == (event.kind, event.actor, event.reason)


def test_a_rejected_job_holds_nothing() -> None:
    """It ends with the admin's reason and without a reservation."""
    job, event = pending().reject("root", "too much", later())
    assert (JobState.REJECTED, "too much", 0) == (job.state, job.reject_reason, job.reserved)
    assert later() == job.ended_at
    assert (EventKind.REJECTED, "too much") == (event.kind, event.reason)


def test_a_queued_job_has_its_first_run() -> None:
    """The run is the attempt number one."""
    job = queued()
    assert job.run is not None
    assert ("run of j1", 1, RunState.QUEUED) == (job.run.id, job.run.attempt, job.run.state)
    assert 1 == job.run_count


def test_a_started_run_knows_where_it_runs() -> None:
    """Placement and time stand on the run, the time on the job too."""
    job, event = queued().run_started(PLACEMENT, later())
    assert job.run is not None
    assert (RunState.RUNNING, PLACEMENT, later()) == (
        job.run.state,
        job.run.placement,
        job.run.started_at,
    )
    assert (JobState.RUNNING, later()) == (job.state, job.started_at)
    assert "scheduler" == event.actor


def test_a_completed_job_pays_what_it_used() -> None:
    """Use counts, nothing is reserved any more."""
    job, event = running().run_ended(None, HOUR // 2, later())
    assert (JobState.COMPLETED, HOUR // 2, 0) == (job.state, job.used, job.reserved)
    assert job.run is not None
    assert (RunState.COMPLETED, HOUR // 2) == (job.run.state, job.run.used)
    assert EventKind.COMPLETED == event.kind


def test_nobody_pays_more_than_was_reserved() -> None:
    """A run that outlasted its hours is billed those; its own use is kept as it was."""
    job = running().run_ended(None, 2 * HOUR, later()).job
    assert HOUR == job.used
    assert job.run is not None
    assert 2 * HOUR == job.run.used


def test_the_users_failure_is_paid_for() -> None:
    """A program that crashed has used its devices."""
    job, event = running().run_ended(CRASH, HOUR // 4, later())
    assert (JobState.FAILED, CRASH, HOUR // 4) == (job.state, job.failure, job.used)
    assert job.run is not None
    assert (RunState.FAILED, 3) == (job.run.state, job.run.exit_code)
    assert (EventKind.FAILED, "exited with code 3") == (event.kind, event.reason)


def test_the_platforms_failure_is_free() -> None:
    """A lost node costs the user nothing, though the run tells what it had used."""
    job = running().run_ended(LOST, HOUR // 4, later()).job
    assert (JobState.FAILED, 0) == (job.state, job.used)
    assert job.run is not None
    assert HOUR // 4 == job.run.used


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_any_unfinished_job_can_be_cancelled(state: JobState) -> None:
    """Who and why stand on it; a run that it has is cancelled with it."""
    job, event = IN_STATE[state].cancel("Ada", "enough", later())
    assert (JobState.CANCELLED, "Ada", "enough", 0) == (
        job.state,
        job.cancelled_by,
        job.cancel_reason,
        job.reserved,
    )
    assert job.run is None or RunState.CANCELLED == job.run.state
    assert (EventKind.CANCELLED, "Ada", "enough") == (event.kind, event.actor, event.reason)


@pytest.mark.parametrize(
    ("kind", "fault", "reason"),
    [
        (ReportKind.USER_FAILED, Fault.USER, FailureReason.EXIT_CODE),
        (ReportKind.TIMED_OUT, Fault.USER, FailureReason.TIMEOUT),
        (ReportKind.REFUSED, Fault.USER, FailureReason.UNSATISFIABLE),
        (ReportKind.PLATFORM_FAILED, Fault.PLATFORM, FailureReason.BACKEND_ERROR),
    ],
)
def test_a_report_says_whose_fault_it_was(
    kind: ReportKind, fault: Fault, reason: FailureReason
) -> None:
    """Every way to fail has one who is to blame, and a reason; the scheduler's words are kept."""
    failure = report(kind, message="what happened").failure
    assert failure is not None
    assert (fault, reason, "what happened") == (failure.fault, failure.reason, failure.message)


def test_a_failure_without_words_gets_some() -> None:
    """An exit code and a limit explain themselves."""
    crash = report(ReportKind.USER_FAILED, exit_code=3).failure
    assert CRASH == crash
    late = report(ReportKind.TIMED_OUT).failure
    assert late is not None
    assert "reached its maximum runtime" == late.message


@pytest.mark.parametrize("kind", [ReportKind.SUCCEEDED, ReportKind.STARTED, ReportKind.CANCELLED])
def test_no_failure_is_reported_where_none_was(kind: ReportKind) -> None:
    """A run that went well, or goes on, has no failure."""
    assert report(kind).failure is None
