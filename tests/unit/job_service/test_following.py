"""What the scheduler reports, applied to jobs in memory."""

import pytest

from job_service.application.following import READER, ApplyReports
from job_service.domain.job import FailureReason, Fault, JobState, RunState
from job_service.domain.reports import Report, ReportKind
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADMIN_CALLS,
    HOUR,
    PERIOD,
    PLACEMENT,
    approve_command,
    cancel_command,
    report,
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
    account = store.unit.accounts.by_key["u1", PERIOD]
    assert (0, HOUR // 2, HOUR // 2) == (account.reserved, account.used, account.refunded_total)


def test_a_preempted_run_is_followed_by_another(store: FakeStore) -> None:
    """The job waits again as a new run that begins anew; what the first used is not counted."""
    lost = report(ReportKind.PREEMPTED, used=HOUR // 2, message="Made room.")
    assert 2 == apply(store, STARTED, lost)
    job = store.unit.jobs.get("j1")
    assert (JobState.QUEUED, 2, 0, HOUR) == (job.state, job.run_count, job.used, job.reserved)
    assert job.run is not None
    assert (RunState.QUEUED, 2, None) == (job.run.state, job.run.attempt, job.run.placement)
    assert "r1" != job.run.id
    assert 0 == apply(store, lost), "the first run is over"
    account = store.unit.accounts.by_key["u1", PERIOD]
    assert (HOUR, 0) == (account.reserved, account.used)


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
    assert 0 == store.unit.accounts.by_key["u1", PERIOD].reserved


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
    assert HOUR // 4 == store.unit.accounts.by_key["u1", PERIOD].used


def test_a_platform_failure_is_refunded(store: FakeStore) -> None:
    """Whatever the run had used."""
    apply(store, STARTED, report(ReportKind.PLATFORM_FAILED, used=HOUR // 4))
    account = store.unit.accounts.by_key["u1", PERIOD]
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
    assert 2 * HOUR == store.unit.accounts.by_key["u1", PERIOD].used
