"""Ending many jobs at once, retrying, and naming a state in place of a verb."""

from typing import Any

import pytest

from job_service.application.commands.cancelling import (
    CancelJobs,
    CancelKind,
    Cancelled,
    EndJob,
)
from job_service.application.commands.naming import NameState
from job_service.application.commands.submitting import RetryJob
from job_service.application.following import ApplyReports
from job_service.application.ports import JobQuery
from job_service.domain.dependencies import Dependency
from job_service.domain.errors import JobNotFound, JobStateForbids, QuotaExceeded
from job_service.domain.reports import ReportKind
from job_service.domain.runs import Failure, FailureReason, Fault, RunState
from job_service.domain.states import EventKind, JobState
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA_CALLS,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    HOUR,
    PERIOD,
    approve_command,
    cancel_command,
    later,
    policy,
    reject_command,
    report,
    spec,
    submit_command,
)

STARTED = report(ReportKind.STARTED)
FAILED = Failure(Fault.PLATFORM, FailureReason.SET_BY_ADMIN, "hangs")


@pytest.fixture
def store() -> FakeStore:
    """A store with a running job of Ada's, a pending one, a rejected one, and one of Bob's."""
    store = FakeStore()
    store.run(submit_command("j1"))
    store.run(approve_command("j1"))
    store.run(ApplyReports((STARTED,)))
    store.run(submit_command("j2"))
    store.run(submit_command("j3"))
    store.run(reject_command("j3"))
    store.run(submit_command("b1", owner=BOB))
    return store


def cancel(store: FakeStore, *job_ids: str, query: JobQuery | None = None) -> list[Cancelled]:
    """Ada cancels jobs."""
    results: list[Cancelled] = store.run(CancelJobs(job_ids, ADA_CALLS, later(), "enough", query))
    return results


def test_each_job_has_an_answer_of_its_own(store: FakeStore) -> None:
    """In the order of the ids; a stranger's does not exist; twice is no error."""
    for _ in range(2):
        assert [
            Cancelled("j2", CancelKind.CANCELLED, JobState.CANCELLED),
            Cancelled("b1", CancelKind.NOT_FOUND),
            Cancelled("j3", CancelKind.ALREADY_ENDED, JobState.REJECTED),
            Cancelled("j1", CancelKind.CANCELLED, JobState.CANCELLED),
        ] == cancel(store, "j2", "b1", "j3", "j1")
    assert 0 == store.unit.accounts.by_key["user:u1", PERIOD].reserved
    cancelled = [it for it in store.unit.events.appended if it.kind is EventKind.CANCELLED]
    assert 2 == len(cancelled)


def test_what_no_longer_matches_is_left_alone(store: FakeStore) -> None:
    """A job found as pending that runs by now goes on."""
    pending = JobQuery(states=(JobState.PENDING,))
    assert ["j2"] == [it.job_id for it in cancel(store, "j1", "j2", query=pending)]
    assert JobState.RUNNING is store.unit.jobs.get("j1").state


def retry(store: FakeStore, job_id: str, caller: Any = ADA_CALLS, hours: float = 10) -> Any:
    """Somebody retries a job."""
    rules = policy(hours, auto_hours=100)
    return store.run(RetryJob(job_id, caller, later(), "n1", "run of n1", rules))


def test_a_retry_is_a_new_job_that_names_its_origin(store: FakeStore) -> None:
    """Of the same owner, whoever asks; it reserves its hours and waits for no other job."""
    store.run(submit_command("j4", spec=spec(dependencies=(Dependency("j1"),))))
    store.run(cancel_command("j4"))
    before = store.unit.accounts.by_key["user:u1", PERIOD].reserved
    job = retry(store, "j4", ADMIN_CALLS)
    assert ("n1", "j4", "u1", JobState.QUEUED) == (job.id, job.origin_id, job.owner.id, job.state)
    assert () == job.spec.dependencies
    assert before + HOUR == store.unit.accounts.by_key["user:u1", PERIOD].reserved
    assert JobState.CANCELLED is store.unit.jobs.get("j4").state


def test_only_what_has_ended_is_retried(store: FakeStore) -> None:
    """By whoever may know of it, and while there is quota."""
    with pytest.raises(JobStateForbids) as refused:
        retry(store, "j1")
    assert "RUNNING" == refused.value.metadata["state"]
    with pytest.raises(JobNotFound):
        retry(store, "j3", BOB_CALLS)
    store.run(submit_command("j5", 8))
    with pytest.raises(QuotaExceeded):
        retry(store, "j3")


def name(store: FakeStore, state: JobState, verb: Any, job_id: str = "j1") -> Any:
    """An admin names a state."""
    return store.run(NameState(job_id, state, verb))


@pytest.mark.parametrize("failure", [None, FAILED])
def test_an_admin_ends_a_running_job(store: FakeStore, failure: Failure | None) -> None:
    """Its hours come back in full; again changes nothing."""
    state = JobState.FAILED if failure else JobState.COMPLETED
    verb = EndJob("j1", ADMIN_CALLS, later(), failure)
    job = name(store, state, verb)
    assert (state, failure, 0, 0) == (job.state, job.failure, job.used, job.reserved)
    assert job.run is not None
    assert (RunState[state], failure) == (job.run.state, job.run.failure)
    assert "root" == store.unit.events.appended[-1].actor
    before = store.unit.copy()
    assert job == name(store, state, verb)
    assert before == store.unit


def test_other_ways_are_forbidden_with_the_state_named(store: FakeStore) -> None:
    """No verb leads to PENDING or RUNNING, and none ends what does not run."""
    refusals = [
        (JobState.RUNNING, None, "j2"),
        (JobState.PENDING, None, "j1"),
        (JobState.COMPLETED, EndJob("j2", ADMIN_CALLS, later(), None), "j2"),
        (JobState.APPROVED, approve_command("j3"), "j3"),
    ]
    for state, verb, job_id in refusals:
        before = store.unit.jobs.get(job_id).state
        with pytest.raises(JobStateForbids) as refused:
            name(store, state, verb, job_id)
        assert before == refused.value.metadata["state"]
    assert JobState.QUEUED is name(store, JobState.APPROVED, approve_command("j2"), "j2").state


def test_a_job_that_has_ended_is_never_set_to_another_state(store: FakeStore) -> None:
    """Not even to one that it has been in: the answer would show another than was asked for."""
    name(store, JobState.CANCELLED, cancel_command("j2"), "j2")
    name(store, JobState.COMPLETED, EndJob("j1", ADMIN_CALLS, later(), None))
    for job_id in ("j1", "j2"):
        with pytest.raises(JobStateForbids):
            name(store, JobState.APPROVED, approve_command(job_id), job_id)
