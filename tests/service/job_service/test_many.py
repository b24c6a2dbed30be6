"""Cancelling many, retrying, counting, naming states, and their refusals."""

from collections.abc import Callable
from typing import Any

import pytest

from gpuaas.job.v1 import job_pb2, run_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.entrypoints.decoding import filters
from servicekit.errors import Failure, Kind
from tests.service.job_service.conftest import House, State
from tests.service.job_service.scheduler import started
from tests.service.job_service.test_runs import workload_of

Cancel = pb.CancelResult
SWEEP = job_pb2.JobSpec(labels={"sweep": "a"})


async def cancelled(house: House, by: str = "ada", **fields: Any) -> pb.CancelJobsResponse:
    """Cancels many jobs."""
    return await house.jobs.CancelJobs(pb.CancelJobsRequest(**fields), **house.by(by))


async def test_jobs_are_cancelled_by_ids_with_an_answer_each(house: House) -> None:
    """A stranger's does not exist; what ended otherwise is told so."""
    mine, rejected = await house.submit(), await house.submit()
    strange = await house.submit("bob")
    await house.reject(rejected.id)
    answer = await cancelled(house, job_ids=[mine.id, strange.id, rejected.id, mine.id])
    assert [
        (mine.id, Cancel.KIND_CANCELLED, State.JOB_STATE_CANCELLED),
        (strange.id, Cancel.KIND_NOT_FOUND, State.JOB_STATE_UNSPECIFIED),
        (rejected.id, Cancel.KIND_ALREADY_ENDED, State.JOB_STATE_REJECTED),
    ] == [(it.job_id, it.kind, it.state) for it in answer.results]
    assert State.JOB_STATE_PENDING == (await house.get(strange.id)).state


async def test_jobs_are_cancelled_by_conditions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest first, only unfinished ones, and as many as one call takes."""
    monkeypatch.setattr(filters, "MOST_IDS", 2)
    jobs = [await house.submit(spec=SWEEP) for _ in range(3)]
    other = await house.submit()
    await house.submit("bob", spec=SWEEP)
    which = pb.JobFilter(labels=["sweep=a"])
    first = await cancelled(house, filter=which)
    assert ([jobs[0].id, jobs[1].id], True) == (
        [it.job_id for it in first.results],
        first.more_remain,
    )
    rest = await cancelled(house, filter=which)
    assert ([jobs[2].id], False) == ([it.job_id for it in rest.results], rest.more_remain)
    assert State.JOB_STATE_PENDING == (await house.get(other.id)).state
    assert 1 == len((await cancelled(house, "root", filter=which)).results)
    ended = pb.JobFilter(states=[State.JOB_STATE_REJECTED])
    assert [] == list((await cancelled(house, filter=ended)).results)


async def test_a_job_is_retried_once_per_request_id(house: House) -> None:
    """As a new job; an unfinished one is not."""
    job = await house.submit()
    request = pb.RetryJobRequest(job_id=job.id, request_id="0b4d5c1e-9d7e-4b7a-8a50-3f3df1a2c901")
    with pytest.raises(Failure) as refused:
        await house.jobs.RetryJob(request, **house.by("ada"))
    assert (Kind.FAILED_PRECONDITION, "PENDING") == (
        refused.value.kind,
        refused.value.metadata["state"],
    )
    await house.cancel(job.id)
    answers = [await house.jobs.RetryJob(request, **house.by("ada")) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (job.id, State.JOB_STATE_PENDING) == (
        answers[0].job.origin_job_id,
        answers[0].job.state,
    )
    assert 2 == len(await house.listed())


async def counts(house: House, by: str = "ada", **fields: Any) -> dict[str, int]:
    """How many jobs are in each state."""
    request = pb.CountJobsByStateRequest(**fields)
    answer = await house.jobs.CountJobsByState(request, **house.by(by))
    assert answer.total == sum(it.count for it in answer.counts)
    return {job_pb2.JobState.Name(it.state)[10:]: it.count for it in answer.counts}


async def test_jobs_are_counted_by_state(house: House) -> None:
    """Own ones; an admin counts anybody's."""
    job = await house.submit()
    await house.submit()
    await house.submit("bob")
    await house.cancel(job.id)
    assert {"PENDING": 1, "CANCELLED": 1} == await counts(house)
    assert {} == await counts(house, "root")
    assert {"PENDING": 2, "CANCELLED": 1} == await counts(house, "root", everybody=True)
    ada = house.identities.user_id("ada")
    assert await counts(house) == await counts(house, "root", owner_id=ada)
    assert {} == await counts(house, "root", team="nobody's")


async def named(house: House, job_id: str, **fields: Any) -> job_pb2.Job:
    """An admin names a job's state."""
    request = pb.UpdateJobStatusRequest(job_id=job_id, **fields)
    return (await house.jobs.UpdateJobStatus(request, **house.by("root"))).job


async def test_naming_a_state_does_what_leads_to_it(house: House) -> None:
    """By number or word; the present state again changes nothing."""
    one, two, three = [await house.submit() for _ in range(3)]
    assert State.JOB_STATE_QUEUED == (await named(house, one.id, status="approved")).state
    again = await named(house, one.id, state=State.JOB_STATE_QUEUED)
    assert State.JOB_STATE_QUEUED == again.state
    rejected = await named(house, two.id, status="Rejected", reason="too much")
    assert ("too much", State.JOB_STATE_REJECTED) == (rejected.reject_reason, rejected.state)
    assert rejected == await named(house, two.id, status="REJECTED", reason="so")
    assert "CANCELLED" == (await named(house, three.id, status="cancelled")).status


async def test_an_admin_sets_a_running_job_to_failed(auto_house: House) -> None:
    """Its run is stopped and its hours come back; the scheduler's word on it comes too late."""
    house = auto_house
    job = await house.submit()
    workload = await workload_of(house, job)
    await house.scheduler.tell(started(workload))
    await house.until(job.id, State.JOB_STATE_RUNNING)
    job = await named(house, job.id, status="failed", reason="hangs")
    assert run_pb2.FAILURE_REASON_SET_BY_ADMIN == job.failure.reason
    await house.scheduler.until(lambda: [workload.id] == house.scheduler.cancelled)
    assert 0 == (await house.quota()).reserved_gpu_hours


REFUSALS: dict[str, tuple[Callable[[House, str], Any], Kind, str]] = {
    "nothing selected": (lambda h, _: cancelled(h), Kind.INVALID_ARGUMENT, "SELECTOR_EMPTY"),
    "an empty filter": (
        lambda h, _: cancelled(h, filter=pb.JobFilter()),
        Kind.INVALID_ARGUMENT,
        "SELECTOR_EMPTY",
    ),
    "ids and filter": (
        lambda h, job: cancelled(h, job_ids=[job], filter=pb.JobFilter(pool="p")),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "too many ids": (
        lambda h, _: cancelled(h, job_ids=[f"j{it}" for it in range(1001)]),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "another's jobs": (
        lambda h, _: cancelled(h, filter=pb.JobFilter(team="looms")),
        Kind.PERMISSION_DENIED,
        "ROLE_FORBIDDEN",
    ),
    "another's counts": (
        lambda h, _: counts(h, owner_id="x"),
        Kind.NOT_FOUND,
        "OWNER_NOT_FOUND",
    ),
    "everybody's counts": (
        lambda h, _: counts(h, everybody=True),
        Kind.PERMISSION_DENIED,
        "ROLE_FORBIDDEN",
    ),
    "two kinds of counts": (
        lambda h, _: counts(h, "root", everybody=True, team="t"),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "no state": (lambda h, job: named(h, job), Kind.INVALID_ARGUMENT, "FIELD_INVALID"),
    "two states": (
        lambda h, job: named(h, job, status="failed", state=State.JOB_STATE_FAILED),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "no such state": (
        lambda h, job: named(h, job, status="broken"),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "no reason": (
        lambda h, job: named(h, job, status="failed"),
        Kind.INVALID_ARGUMENT,
        "FIELD_INVALID",
    ),
    "running by decree": (
        lambda h, job: named(h, job, status="running"),
        Kind.FAILED_PRECONDITION,
        "JOB_STATE_FORBIDS",
    ),
    "no such job": (
        lambda h, _: named(h, "nobody", status="approved"),
        Kind.NOT_FOUND,
        "JOB_NOT_FOUND",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_what_makes_no_sense_is_refused_with_its_reason(house: House, what: str) -> None:
    """And changes nothing."""
    job = await house.submit()
    call, kind, reason = REFUSALS[what]
    with pytest.raises(Failure) as refused:
        await call(house, job.id)
    assert (kind, reason) == (refused.value.kind, refused.value.reason)
    assert State.JOB_STATE_PENDING == (await house.get(job.id)).state
