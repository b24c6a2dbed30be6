"""What the scheduler reports, applied to jobs in memory."""

from datetime import timedelta

import pytest

from job_service.application.commands.starting import ReleaseJobs
from job_service.application.following import READER, ApplyReports
from job_service.domain.reports import Report, ReportKind
from job_service.domain.runs import FailureReason, Fault, RetryRule, Run, RunState, further_run_id
from job_service.domain.states import EventKind, JobState
from servicekit.values import replace
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADMIN_CALLS,
    HOUR,
    PERIOD,
    PLACEMENT,
    approve_command,
    cancel_command,
    later,
    policy,
    report,
    spec,
    submit_command,
)

STARTED = report(ReportKind.STARTED)
SUCCEEDED = report(ReportKind.SUCCEEDED, used=HOUR // 2)
ENDS = [kind for kind in ReportKind if kind not in (ReportKind.STARTED, ReportKind.PREEMPTED)]


@pytest.fixture
def store() -> FakeStore:
    """A store with one queued job of an hour."""
    store = FakeStore()
    store.run(submit_command())
    store.run(approve_command())
    return store


def apply(store: FakeStore, *reports: Report, position: str = "p") -> int:
    """Applies reports and returns how many changed a job."""
    applied: int = store.run(ApplyReports(reports, position))
    return applied


def test_a_run_starts_and_completes(store: FakeStore) -> None:
    """In one batch; use is settled and the rest refunded."""
    assert 2 == apply(store, STARTED, SUCCEEDED)
    job = store.unit.jobs.get("j1")
    assert (JobState.COMPLETED, HOUR // 2) == (job.state, job.used)
    assert job.run is not None
    assert PLACEMENT == job.run.placement
    account = store.unit.accounts.by_key["user:u1", PERIOD]
    assert (0, HOUR // 2, HOUR // 2) == (account.reserved, account.used, account.refunded_total)


def test_the_cursor_moves_with_the_effects(store: FakeStore) -> None:
    """Where a batch has a position; reports without one leave the cursor alone."""
    apply(store, STARTED, position="p1")
    assert {READER: "p1"} == store.unit.cursors.positions
    apply(store, SUCCEEDED, position="")
    assert {READER: "p1"} == store.unit.cursors.positions


def test_a_batch_that_says_nothing_new_still_moves_the_cursor(store: FakeStore) -> None:
    """It must not be read again."""
    apply(store, STARTED, position="p1")
    assert 0 == apply(store, STARTED, position="p2")
    assert {READER: "p2"} == store.unit.cursors.positions


def test_repeated_reports_have_no_effect(store: FakeStore) -> None:
    """Nothing is charged or told twice, in one batch or in many."""
    assert 2 == apply(store, STARTED, STARTED, SUCCEEDED, SUCCEEDED)
    before = store.unit.copy()
    assert 0 == apply(store, STARTED, SUCCEEDED)
    assert before == store.unit


@pytest.mark.parametrize("kind", ReportKind)
def test_a_stale_run_is_ignored(store: FakeStore, kind: ReportKind) -> None:
    """What another run than the current one reports changes nothing."""
    before = store.unit.copy()
    assert 0 == apply(store, report(kind, run_id="an older run"), position="")
    assert before == store.unit


@pytest.mark.parametrize("kind", ReportKind)
def test_an_unknown_job_is_ignored(store: FakeStore, kind: ReportKind) -> None:
    """Another system may use the same scheduler."""
    assert 0 == apply(store, report(kind, "j2"))


@pytest.mark.parametrize("kind", ReportKind)
def test_a_job_that_has_ended_stays_as_it_is(store: FakeStore, kind: ReportKind) -> None:
    """A cancelled job's run is reported, and that is no news."""
    store.run(cancel_command())
    before = store.unit.copy()
    assert 0 == apply(store, report(kind, used=HOUR), position="")
    assert before == store.unit


def test_a_start_without_a_placement_is_ignored(store: FakeStore) -> None:
    """Nobody would know where it runs."""
    assert 0 == apply(store, report(ReportKind.STARTED, placement=None))
    assert JobState.QUEUED is store.unit.jobs.get("j1").state


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("started", [True, False])
def test_a_run_may_end_before_its_start_was_told(
    store: FakeStore, kind: ReportKind, *, started: bool
) -> None:
    """Every end ends the job and returns the reservation."""
    if started:
        apply(store, STARTED)
    assert 1 == apply(store, report(kind, used=1))
    assert store.unit.jobs.get("j1").state.ended
    assert 0 == store.unit.accounts.by_key["user:u1", PERIOD].reserved


def test_a_crash_is_the_users_fault(store: FakeStore) -> None:
    """And is paid for."""
    apply(store, STARTED, report(ReportKind.USER_FAILED, exit_code=3, used=HOUR // 4))
    job = store.unit.jobs.get("j1")
    assert job.failure is not None
    assert (Fault.USER, FailureReason.EXIT_CODE, 3) == (
        job.failure.fault,
        job.failure.reason,
        job.failure.exit_code,
    )
    assert HOUR // 4 == store.unit.accounts.by_key["user:u1", PERIOD].used


def test_a_platform_failure_is_refunded(store: FakeStore) -> None:
    """Whatever the run had used."""
    apply(store, STARTED, report(ReportKind.PLATFORM_FAILED, used=HOUR // 4))
    account = store.unit.accounts.by_key["user:u1", PERIOD]
    assert (0, HOUR) == (account.used, account.refunded_total)


def test_the_scheduler_may_cancel(store: FakeStore) -> None:
    """An admin cancelled the workload there: the job is cancelled by the scheduler."""
    apply(store, report(ReportKind.CANCELLED, message="drained"))
    job = store.unit.jobs.get("j1")
    assert (JobState.CANCELLED, "scheduler", "drained") == (
        job.state,
        job.cancelled_by,
        job.cancel_reason,
    )
    assert job.run is not None
    assert RunState.CANCELLED is job.run.state


def test_reports_of_many_jobs_share_a_command() -> None:
    """Each is applied to its own job and account."""
    store = FakeStore()
    for number in range(3):
        store.run(submit_command(f"j{number}"))
        store.run(approve_command(f"j{number}"))
    store.run(cancel_command("j1", ADMIN_CALLS))
    told = [report(ReportKind.SUCCEEDED, f"j{number}", used=HOUR) for number in range(3)]
    assert 2 == apply(store, *told)
    assert 2 * HOUR == store.unit.accounts.by_key["user:u1", PERIOD].used


def run_of(store: FakeStore) -> Run:
    """The job's latest run."""
    run = store.unit.jobs.get("j1").run
    assert run is not None
    return run


LOST = report(ReportKind.PREEMPTED, used=HOUR // 3, message="node-1 was lost", node_lost=True)
PUSHED_OUT = report(ReportKind.PREEMPTED, used=HOUR // 3, message="for a job of HIGH")


def test_a_run_that_lost_its_place_waits_again_as_a_new_one(store: FakeStore) -> None:
    """At no cost; the run that is over is kept, and what is told of it later changes nothing."""
    apply(store, STARTED, PUSHED_OUT)
    job = store.unit.jobs.get("j1")
    assert (JobState.QUEUED, 2, 0, HOUR) == (job.state, job.run_count, job.used, job.reserved)
    assert run_of(store).id not in ("", "run of j1")
    [over] = store.unit.jobs.runs_of("j1")
    assert ("run of j1", RunState.PREEMPTED, HOUR // 3) == (over.id, over.state, over.used)
    assert EventKind.PREEMPTED is store.unit.events.appended[-1].kind
    assert 0 == apply(store, SUCCEEDED)
    assert 1 == apply(store, report(ReportKind.SUCCEEDED, run_id=run_of(store).id, used=HOUR))
    assert JobState.COMPLETED is store.unit.jobs.get("j1").state
    assert HOUR == store.unit.accounts.by_key["user:u1", PERIOD].used


def test_preemptions_do_not_count_as_retries_but_lost_nodes_do(store: FakeStore) -> None:
    """Once none is left, the job fails by the platform's fault."""
    rule = RetryRule(1)
    for run_id in ("run of j1", further_run_id("j1", 2), further_run_id("j1", 3)):
        store.run(ApplyReports((replace(PUSHED_OUT, run_id=run_id),), "", rule))
    store.run(ApplyReports((replace(LOST, run_id=further_run_id("j1", 4)),), "", rule))
    assert (JobState.QUEUED, 1) == (
        store.unit.jobs.get("j1").state,
        store.unit.jobs.get("j1").retries,
    )
    store.run(ApplyReports((replace(LOST, run_id=further_run_id("j1", 5)),), "", rule))
    job = store.unit.jobs.get("j1")
    assert job.failure is not None
    assert (JobState.FAILED, FailureReason.NODE_LOST) == (job.state, job.failure.reason)
    assert HOUR == store.unit.accounts.by_key["user:u1", PERIOD].refunded_total


def test_a_failure_of_the_platform_is_tried_again_after_a_pause(store: FakeStore) -> None:
    """It costs nothing, and the pause doubles; a run that still waits cannot end."""
    rule = RetryRule(2)
    failed = report(ReportKind.PLATFORM_FAILED, used=HOUR // 2)
    store.run(ApplyReports((STARTED, failed), "", rule))
    job = store.unit.jobs.get("j1")
    assert (JobState.QUEUED, 1, HOUR, 0) == (job.state, job.retries, job.reserved, job.used)
    assert job.held_until == failed.at + timedelta(seconds=10)
    assert 0 == apply(store, replace(failed, run_id=run_of(store).id))
    store.run(ReleaseJobs(("j1",), policy(), later(99)))
    store.run(ApplyReports((replace(failed, run_id=run_of(store).id),), "", rule))
    assert store.unit.jobs.get("j1").held_until == failed.at + timedelta(seconds=20)
    store.run(ReleaseJobs(("j1",), policy(), later(99)))
    store.run(ApplyReports((replace(failed, run_id=run_of(store).id),), "", rule))
    assert JobState.FAILED is store.unit.jobs.get("j1").state
    assert [1, 2] == [run.attempt for run in store.unit.jobs.runs_of("j1")]


def test_a_users_failure_is_tried_again_where_the_job_says_so() -> None:
    """Each run is paid for, and the next one reserves as much again."""
    store = FakeStore()
    store.run(submit_command(spec=spec(4, retry=RetryRule(5, (Fault.USER,), timedelta()))))
    store.run(approve_command())
    failed = report(ReportKind.USER_FAILED, exit_code=1, used=3 * HOUR)
    apply(store, STARTED, failed)
    job, account = store.unit.jobs.get("j1"), store.unit.accounts.by_key["user:u1", PERIOD]
    assert (JobState.QUEUED, 3 * HOUR, 4 * HOUR) == (job.state, job.used, job.reserved)
    assert (3 * HOUR, 4 * HOUR) == (account.used, account.reserved)
    assert [EventKind.RETRIED, EventKind.QUEUED] == [
        event.kind for event in store.unit.events.appended[-2:]
    ]


def test_a_retry_that_the_quota_does_not_hold_is_none() -> None:
    """The job fails with what its run failed with."""
    store = FakeStore()
    store.run(submit_command(spec=spec(6, retry=RetryRule(5, (Fault.USER,), timedelta()))))
    store.run(approve_command())
    apply(store, STARTED, report(ReportKind.USER_FAILED, exit_code=7, used=5 * HOUR))
    job, account = store.unit.jobs.get("j1"), store.unit.accounts.by_key["user:u1", PERIOD]
    assert job.failure is not None
    assert (JobState.FAILED, 7, 1) == (job.state, job.failure.exit_code, job.run_count)
    assert (5 * HOUR, 0) == (account.used, account.reserved)
    assert [] == store.unit.jobs.runs_of("j1")


def test_what_can_never_run_is_not_tried_again(store: FakeStore) -> None:
    """Whatever the rule says."""
    rule = RetryRule(5, (Fault.USER, Fault.PLATFORM))
    store.run(ApplyReports((report(ReportKind.REFUSED, message="no such pool"),), "", rule))
    assert JobState.FAILED is store.unit.jobs.get("j1").state
