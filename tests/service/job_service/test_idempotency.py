"""A repeated request is one job and one answer, whenever and however often it is repeated."""

import asyncio
from uuid import uuid4

import pytest

from gpuaas.job.v1 import job_pb2, quota_service_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from servicekit import failpoints
from servicekit.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.service.job_service.conftest import NOTHING, House, Open

ONE_JOB = NOTHING | {"jobs": 1, "accounts": 1, "ledger": 2, "events": 1, "requests": 1}


async def test_fifty_at_once_with_one_id_are_one_job(open_either: Open) -> None:
    """And all fifty get the same answer, as does one after a restart."""
    request_id = str(uuid4())
    async with open_either() as house:
        jobs = await asyncio.gather(*(house.submit(request_id=request_id) for _ in range(50)))
        assert all(job == jobs[0] for job in jobs)
        assert ONE_JOB == await house.stored()
    async with open_either() as house:
        assert jobs[0] == await house.submit(request_id=request_id)
        assert ONE_JOB == await house.stored()


async def test_the_first_answer_is_kept_though_the_job_goes_on(house: House) -> None:
    """A repeat tells what the first one told."""
    request_id = str(uuid4())
    first = await house.submit(request_id=request_id)
    await house.cancel(first.id)
    assert first == await house.submit(request_id=request_id)


async def test_another_body_under_the_same_id_is_refused(open_either: Open) -> None:
    """At once and after a restart; nothing is stored of it."""
    request_id = str(uuid4())
    async with open_either() as house:
        await house.submit(request_id=request_id)
        with pytest.raises(InvalidArgument) as refused:
            await house.submit(request_id=request_id, estimated_hours=2)
        assert "REQUEST_ID_REUSED" == refused.value.reason
    async with open_either() as house:
        with pytest.raises(InvalidArgument) as refused:
            await house.submit(request_id=request_id, command="another")
        assert ["request_id"] == [violation.field for violation in refused.value.violations]
        assert ONE_JOB == await house.stored()


async def test_an_id_is_the_callers_own(house: House) -> None:
    """Nobody gets another's answer, or collides with it."""
    request_id = str(uuid4())
    mine = await house.submit(request_id=request_id)
    theirs = await house.submit(by="bob", request_id=request_id)
    assert mine.id != theirs.id
    assert "bob" == theirs.owner


async def test_an_id_is_one_methods_own(house: House) -> None:
    """The same id cancels what it submitted."""
    request_id = str(uuid4())
    job = await house.submit(request_id=request_id)
    cancelled = await house.cancel(job.id, request_id=request_id)
    assert job_pb2.JOB_STATE_CANCELLED == cancelled.state


async def test_a_refused_request_may_be_tried_again(house: House) -> None:
    """Its id is not used up: after a grant the same request is accepted."""
    request_id = str(uuid4())
    with pytest.raises(FailedPrecondition):
        await house.submit(request_id=request_id, estimated_hours=12)
    grant = quota_service_pb2.GrantHoursRequest(
        owner_id=house.identities.user_id("ada"), amount_gpu_hours=5, reason="thesis"
    )
    await house.quotas.GrantHours(grant, **house.by("root"))
    assert (await house.submit(request_id=request_id, estimated_hours=12)).id


async def test_a_grant_is_made_once(house: House) -> None:
    """Twenty repeats add five hours, not a hundred."""
    grant = quota_service_pb2.GrantHoursRequest(
        owner_id=house.identities.user_id("ada"),
        amount_gpu_hours=5,
        reason="thesis",
        request_id=str(uuid4()),
    )
    grants = (house.quotas.GrantHours(grant, **house.by("root")) for _ in range(20))
    answers = await asyncio.gather(*grants)
    assert {15.0} == {answer.quota.left_gpu_hours for answer in answers}
    assert 15.0 == (await house.quota()).left_gpu_hours


async def test_a_batch_is_submitted_once(house: House) -> None:
    """With all its items."""
    specs = [job_pb2.JobSpec(command="x")] * 3
    request = pb.BatchSubmitJobsRequest(specs=specs, request_id=str(uuid4()))
    answers = [await house.jobs.BatchSubmitJobs(request, **house.by("ada")) for _ in range(2)]
    assert answers[0] == answers[1]
    assert 3 == len(await house.listed())


async def test_a_lost_answer_is_given_again(house: House) -> None:
    """The commit was made and the caller told that it may not have been: the retry is no job."""
    request_id = str(uuid4())
    failpoints.configure("job.submit.after_commit=error*1")
    with pytest.raises(Unavailable):
        await house.submit(request_id=request_id)
    job = await house.submit(request_id=request_id)
    assert [job.id] == await house.listed()
    assert ONE_JOB == await house.stored()


async def test_a_failed_commit_leaves_nothing(house: House) -> None:
    """Neither job nor id: the retry makes the job."""
    request_id = str(uuid4())
    failpoints.configure("job.submit.before_commit=error*1")
    with pytest.raises(Unavailable):
        await house.submit(request_id=request_id)
    assert 0 == sum((await house.stored()).values())
    await house.submit(request_id=request_id)
    assert ONE_JOB == await house.stored()
