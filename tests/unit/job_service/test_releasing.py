"""Jobs that wait for others or for a time, and what lets them go on."""

from datetime import timedelta
from typing import Any

import pytest

from job_service.application.commands.batches import SubmitJobs
from job_service.application.commands.starting import ReleaseJobs, StartJob
from job_service.application.following import ApplyReports
from job_service.domain.dependencies import Condition, Dependency, Met, how_far, order
from job_service.domain.errors import (
    BatchAborted,
    DependencyCycle,
    DependencyNotFound,
    DependencyNotMet,
    JobStateForbids,
    QuotaExceeded,
)
from job_service.domain.job import Job
from job_service.domain.reports import ReportKind
from job_service.domain.runs import FailureReason, RetryRule
from job_service.domain.states import EventKind, JobState
from servicekit.errors import Failure
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADMIN_CALLS,
    BOB,
    HOUR,
    NOW,
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

AUTO = policy(hours=100, auto_hours=100)
AFTER_J1 = (Dependency("j1"),)
ANY_J1 = (Dependency("j1", Condition.AFTER_ANY),)


def submit(store: FakeStore, job_id: str, **fields: Any) -> Job:
    """Submits a job that needs no admin."""
    job: Job = store.run(submit_command(job_id, spec=spec(**fields), policy=AUTO))
    return job


def release(store: FakeStore, *job_ids: str, seconds: float = 1) -> int:
    """Lets jobs go on, as far as they may."""
    went_on: int = store.run(ReleaseJobs(job_ids, AUTO, later(seconds)))
    return went_on


def complete(store: FakeStore, job_id: str) -> None:
    """The job runs to its end."""
    store.run(ApplyReports((report(ReportKind.SUCCEEDED, job_id),)))


@pytest.fixture
def store() -> FakeStore:
    """A store with one queued job."""
    store = FakeStore()
    submit(store, "j1")
    return store


def test_a_job_waits_for_another_to_complete(store: FakeStore) -> None:
    """It is approved, holds its quota, and is queued once the other is done, and not before."""
    job = submit(store, "j2", dependencies=AFTER_J1)
    assert (JobState.APPROVED, HOUR) == (job.state, job.reserved)
    assert 0 == release(store, "j2")
    complete(store, "j1")
    assert 1 == release(store, "j2")
    assert JobState.QUEUED is store.unit.jobs.get("j2").state
    assert 0 == release(store, "j2")


@pytest.mark.parametrize("approved", [True, False])
def test_a_job_fails_with_the_one_that_had_to_complete(store: FakeStore, approved: bool) -> None:
    """Approved or not; its hours come back, and what waits for it fails in turn."""
    rules = AUTO if approved else policy(hours=100)
    store.run(submit_command("j2", spec=spec(dependencies=AFTER_J1), policy=rules))
    store.run(submit_command("j3", spec=spec(dependencies=(Dependency("j2"),)), policy=rules))
    store.run(cancel_command("j1"))
    assert 1 == release(store, "j2")
    assert 1 == release(store, "j3")
    for job_id, other in (("j2", "j1 had"), ("j3", "j2 had")):
        job = store.unit.jobs.get(job_id)
        assert job.failure is not None
        assert (JobState.FAILED, FailureReason.DEPENDENCY_FAILED) == (
            job.state,
            job.failure.reason,
        )
        assert other in job.failure.message
    assert 0 == store.unit.accounts.by_key["user:u1", PERIOD].reserved


def test_after_any_is_met_by_every_end(store: FakeStore) -> None:
    """A job cancelled before or after the submit meets it alike."""
    submit(store, "j2", dependencies=ANY_J1)
    store.run(cancel_command("j1"))
    assert 1 == release(store, "j2")
    assert JobState.QUEUED is submit(store, "j3", dependencies=ANY_J1).state


@pytest.mark.parametrize("state", [None, *JobState])
def test_how_far_a_dependency_is_follows_from_the_other_jobs_state(state: JobState | None) -> None:
    """A job that is kept no longer had met it."""
    good = state in (None, JobState.COMPLETED)
    bad = state is not None and state.ended and not good
    expected = Met.YES if good else Met.NEVER if bad else Met.NOT_YET
    assert expected is how_far(Condition.AFTER_OK, state)
    assert (Met.YES if good or bad else Met.NOT_YET) is how_far(Condition.AFTER_ANY, state)


def test_what_would_wait_for_ever_is_not_stored(store: FakeStore) -> None:
    """An unknown job, a stranger's, one that has failed already."""
    store.run(submit_command("b1", owner=BOB, policy=AUTO))
    store.run(cancel_command("j1"))
    before = store.unit.copy()
    for other in ("nobody", "b1"):
        with pytest.raises(DependencyNotFound):
            submit(store, "j2", dependencies=(Dependency(other),))
    with pytest.raises(DependencyNotMet) as refused:
        submit(store, "j2", dependencies=AFTER_J1)
    assert {"dependency_job_id": "j1", "state": "CANCELLED"} == refused.value.metadata
    assert before == store.unit
    command = submit_command(
        "j2", spec=spec(dependencies=(Dependency("b1"),)), policy=AUTO, sees_all=True
    )
    assert JobState.APPROVED is store.run(command).state


def test_an_admin_does_not_start_what_still_waits(store: FakeStore) -> None:
    """Where starts are not automatic: for another job, or for a time."""
    by_hand = policy(hours=100, auto_hours=100, auto_start=False)
    tomorrow = NOW + timedelta(days=1)
    for job_id, fields in (
        ("j2", {"dependencies": AFTER_J1}),
        ("j3", {"not_before": tomorrow}),
    ):
        store.run(submit_command(job_id, spec=spec(**fields), policy=by_hand))
        with pytest.raises(JobStateForbids):
            store.run(StartJob(job_id, ADMIN_CALLS, later(), "r"))
    complete(store, "j1")
    assert 0 == store.run(ReleaseJobs(("j2", "j3"), by_hand, later(1)))
    assert JobState.QUEUED is store.run(StartJob("j2", ADMIN_CALLS, later(), "r2")).state
    assert JobState.QUEUED is store.run(StartJob("j3", ADMIN_CALLS, tomorrow, "r3")).state


def test_a_job_waits_for_its_time(store: FakeStore) -> None:
    """And is due then, not a moment before; approved later, it is queued at once."""
    job = submit(store, "j2", not_before=later(60))
    assert JobState.APPROVED is job.state
    assert 0 == release(store, "j2", seconds=59.999)
    assert 1 == release(store, "j2", seconds=60)
    assert JobState.QUEUED is store.unit.jobs.get("j2").state
    store.run(submit_command("j3", spec=spec(not_before=NOW)))
    assert JobState.QUEUED is store.run(approve_command("j3")).state


async def test_time_alone_is_what_a_job_is_due_by(store: FakeStore) -> None:
    """Approved ones and pauses between runs, in order; others are not due at all."""
    submit(store, "j3", not_before=later(5))
    store.run(submit_command("j4", spec=spec(not_before=later(1))))
    failed = report(ReportKind.PLATFORM_FAILED, at=NOW)
    store.run(ApplyReports((failed,), "", RetryRule(1, backoff=timedelta(seconds=3))))
    due = [(later(3), "j1"), (later(5), "j3")]
    assert due == await store.due((NOW, ""), later(5), 9)
    assert due[:1] == await store.due((NOW, ""), later(4.9), 9)
    assert due[1:] == await store.due(due[0], later(5), 9)
    assert 0 == release(store, "j1", seconds=2.9)
    assert 1 == release(store, "j1", seconds=3)
    assert due[1:] == await store.due((NOW, ""), later(5), 9)
    assert EventKind.QUEUED is store.unit.events.appended[-1].kind


def test_an_array_is_many_jobs_of_one_spec() -> None:
    """Each reserves its hours; the first one's id names the array."""
    store = FakeStore()
    ids = ("j2", "j3")
    command = submit_command("j1", spec=spec(2, array_size=3), policy=AUTO, more_ids=ids)
    first = store.run(command)
    jobs = [store.unit.jobs.get(job_id) for job_id in ("j1", *ids)]
    assert first == jobs[0]
    assert [("j1", 0), ("j1", 1), ("j1", 2)] == [(it.array_id, it.array_index) for it in jobs]
    assert 3 == len({it.run.id for it in jobs if it.run})
    assert 6 * HOUR == store.unit.accounts.by_key["user:u1", PERIOD].reserved


def test_an_array_is_stored_whole_or_not_at_all() -> None:
    """Though its first jobs alone would have had enough, also as an item of a batch."""
    store = FakeStore()
    command = submit_command("j1", spec=spec(4, array_size=3), more_ids=("j2", "j3"))
    with pytest.raises(QuotaExceeded) as refused:
        store.run(command)
    assert str(12 * HOUR) == refused.value.metadata["asked_milli_gpu_seconds"]
    [result] = store.run(SubmitJobs((command,), all_or_nothing=False))
    assert isinstance(result, QuotaExceeded)
    assert {} == store.unit.jobs.by_id
    assert [] == store.unit.events.appended


def in_batch(job_id: str, *places: int, **fields: Any) -> Any:
    """A submit that waits for others of its batch."""
    dependencies = tuple(Dependency("", Condition.AFTER_OK, place) for place in places)
    return submit_command(job_id, spec=spec(dependencies=dependencies), policy=AUTO, **fields)


def test_jobs_of_a_batch_wait_for_each_other_in_any_order() -> None:
    """By their places; answers come in the order of the items, with ids in place of places."""
    store = FakeStore()
    items = (in_batch("j0", 2, 1), in_batch("j1", 2), in_batch("j2", more_ids=("j3",)))
    results = store.run(SubmitJobs(items, all_or_nothing=True))
    assert ["j0", "j1", "j2"] == [job.id for job in results]
    assert {"j1", "j2", "j3"} == {it.job_id for it in results[0].spec.dependencies}
    states = [store.unit.jobs.get(f"j{it}").state for it in range(4)]
    assert [JobState.APPROVED] * 2 + [JobState.QUEUED] * 2 == states


def test_a_circle_is_refused_with_the_whole_batch() -> None:
    """The items in it are named; one that waits for itself is a circle, too."""
    store = FakeStore()
    for items in (
        (in_batch("j0", 1), in_batch("j1", 2), in_batch("j2", 0)),
        (in_batch("j0", 0),),
    ):
        with pytest.raises(DependencyCycle):
            store.run(SubmitJobs(items, all_or_nothing=False))
    assert {} == store.unit.jobs.by_id
    assert [2, 1, 0] == list(order({0: [1], 1: [2], 2: []}))


def test_an_item_that_waits_for_a_refused_one_is_refused() -> None:
    """Alone, or together with all the others."""
    store = FakeStore()
    refused = submit_command("j0", 99)
    items = (refused, in_batch("j1", 0), in_batch("j2"))
    results: list[Job | Failure] = store.run(SubmitJobs(items, all_or_nothing=False))
    assert [QuotaExceeded, DependencyNotFound, Job] == [type(it) for it in results]
    with pytest.raises(BatchAborted):
        store.run(SubmitJobs((in_batch("j5"), refused), all_or_nothing=True))


def test_a_rejected_job_takes_along_what_needed_it(store: FakeStore) -> None:
    """As any end but completion does."""
    store.run(submit_command("j7"))
    submit(store, "j8", dependencies=(Dependency("j7"),))
    store.run(reject_command("j7"))
    assert 1 == release(store, "j8")
    assert JobState.FAILED is store.unit.jobs.get("j8").state
