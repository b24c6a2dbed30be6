"""Between the job service and the scheduler: nothing lost, nothing done twice, whatever fails."""

import asyncio
from typing import Any

import jwt
import pytest

from gpuaas.job.v1 import job_pb2, run_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1 import workload_pb2
from servicekit import failpoints
from servicekit.identity import Role
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import AUTO, House, Open, State
from tests.service.job_service.scheduler import Kind, Outcome, event_of, finished, started


async def forwarded(house: House, *jobs: job_pb2.Job) -> list[workload_pb2.Workload]:
    """The workloads of these jobs, once the scheduler has them."""
    wanted = {job.id for job in jobs}
    await house.scheduler.until(lambda: wanted <= house.scheduler.by_job.keys())
    return [house.scheduler.by_job[job.id] for job in jobs]


async def test_the_scheduler_is_called_in_the_services_own_name(auto_house: House) -> None:
    """By a token of the role SERVICE, not by the user's."""
    await forwarded(auto_house, await auto_house.submit())
    claims = [
        jwt.decode(caller.removeprefix("Bearer "), options={"verify_signature": False})
        for caller in auto_house.scheduler.callers
    ]
    assert {("job-service", Role.SERVICE.value)} == {
        (claim["username"], claim["role"]) for claim in claims
    }


async def test_jobs_wait_for_a_scheduler_that_is_away(auto_house: House) -> None:
    """Submits go on being answered; when it is back, it gets every run once."""
    house = auto_house
    await forwarded(house, await house.submit())
    await house.scheduler.down()
    jobs = [await house.submit() for _ in range(5)]
    assert {State.JOB_STATE_QUEUED} == {(await house.get(job.id)).state for job in jobs}
    await house.scheduler.up()
    workloads = await forwarded(house, *jobs)
    # Of the first nothing can be said: its answer may have been cut off.
    assert {1} == {house.scheduler.ids[workload.id] for workload in workloads}
    await house.scheduler.tell(*(finished(workload, 1) for workload in workloads))
    for job in jobs:
        await house.until(job.id, State.JOB_STATE_COMPLETED)


async def test_a_service_starts_without_its_scheduler(open_house: Open, scheduler: Any) -> None:
    """And finds it later; any GPU type is accepted until then."""
    await scheduler.down()
    async with open_house(**AUTO) as house:
        job = await house.submit(gpu_type="H100")
        await scheduler.up()
        await forwarded(house, job)
        await house.gpu_types_known()


async def test_many_jobs_are_few_calls(auto_house: House) -> None:
    """What waits together is handed over together, in the order of the log."""
    house = auto_house
    await house.scheduler.down()
    jobs = await asyncio.gather(*(house.submit() for _ in range(120)))
    await house.scheduler.up()
    await forwarded(house, *jobs)
    assert len(house.scheduler.enqueued) < 10
    sent = [workload.job_id for batch in house.scheduler.enqueued for workload in batch]
    assert sorted(job.id for job in jobs) == sorted(sent)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_failed_call_is_made_again(auto_house: House, moment: str) -> None:
    """Whether the scheduler had done the work or not: the same run, under the same id."""
    house = auto_house
    failpoints.configure(f"rpc.BatchEnqueueWorkloads.{moment}=error*2")
    job = await house.submit()
    calls = 1 if moment == "before" else 3
    await house.scheduler.until(lambda: house.scheduler.ids[job.current_run.id] == calls)
    assert {job.current_run.id} == set(house.scheduler.ids)
    assert {1} == {workload.attempt for batch in house.scheduler.enqueued for workload in batch}


async def test_what_happened_between_the_call_and_the_cursor_happens_again(
    auto_house: House,
) -> None:
    """The call was made and the cursor was not moved: the same workload under the same id."""
    house = auto_house
    failpoints.configure("cursor.move.before_commit=error*1")
    job = await house.submit()
    await house.scheduler.until(lambda: house.scheduler.ids[job.current_run.id] == 2)
    assert house.scheduler.enqueued[0] == house.scheduler.enqueued[1]
    [workload] = await forwarded(house, job)
    await house.scheduler.tell(started(workload), finished(workload, 1))
    await house.until(job.id, State.JOB_STATE_COMPLETED)


async def test_forwarding_goes_on_after_a_restart(open_house: Open, scheduler: Any) -> None:
    """Nothing is handed over twice that the cursor has passed, and nothing is passed over."""
    async with open_house(**AUTO) as house:
        first = await house.submit()
        await forwarded(house, first)
        await scheduler.down()
        second = await house.submit()
    await scheduler.up()
    async with open_house(**AUTO) as house:
        third = await house.submit()
        await forwarded(house, second, third)
    assert 3 == len(scheduler.ids)
    assert [1, 1] == [scheduler.ids[job.current_run.id] for job in (second, third)]


@pytest.mark.parametrize(
    "refusal", [pb.EnqueueResult.KIND_INVALID, pb.EnqueueResult.KIND_UNSPECIFIED, 99]
)
async def test_a_workload_that_is_not_accepted_fails_its_job(
    auto_house: House, refusal: Any
) -> None:
    """With the scheduler's words, be they of a kind yet unknown; others of the same call go on."""
    house = auto_house
    house.scheduler.refusal = refusal
    house.scheduler.refused["bad"] = "the pool is closed"
    await house.scheduler.down()
    bad, good = await house.submit(name="bad"), await house.submit(name="good")
    await house.scheduler.up()
    failed = await house.until(bad.id, State.JOB_STATE_FAILED)
    assert (run_pb2.FAILURE_REASON_UNSATISFIABLE, "the pool is closed") == (
        failed.failure.reason,
        failed.failure.message,
    )
    assert 0 == failed.reserved_milli_gpu_seconds
    await forwarded(house, good)
    assert State.JOB_STATE_QUEUED == (await house.get(good.id)).state


async def test_effects_happen_once_though_events_repeat(open_house: Open, scheduler: Any) -> None:
    """Every stream begins at the start of the log: nothing is charged or told twice."""
    scheduler.repeats = True
    async with open_house(**AUTO) as house:
        jobs = [await house.submit(estimated_hours=2) for _ in range(3)]
        workloads = await forwarded(house, *jobs)
        await scheduler.tell(*map(started, workloads))
        await scheduler.tell(*(finished(workload, HOUR) for workload in workloads))
        for job in jobs:
            await house.until(job.id, State.JOB_STATE_COMPLETED)
        before = await house.stored(), await house.quota(), await house.entries()
    for _ in range(3):
        streams = len(scheduler.watched_from)
        async with open_house(**AUTO) as house:
            await scheduler.until(lambda seen=streams: len(scheduler.watched_from) > seen)
            # A job that ends after the repeats shows that they have been read.
            job = await house.submit(by="bob")
            [workload] = await forwarded(house, job)
            await scheduler.tell(finished(workload, 1))
            await house.until(job.id, State.JOB_STATE_COMPLETED)
            assert before[1:] == (await house.quota(), await house.entries())
    assert 3.0 == before[1].used_gpu_hours
    assert {1} == set(scheduler.ids.values())


async def test_following_resumes_by_its_token(open_house: Open, scheduler: Any) -> None:
    """Which was stored with the effects of what came before it."""
    async with open_house(**AUTO) as house:
        job = await house.submit()
        [workload] = await forwarded(house, job)
        await scheduler.tell(started(workload), finished(workload, 1))
        await house.until(job.id, State.JOB_STATE_COMPLETED)
    streams = len(scheduler.watched_from)
    async with open_house(**AUTO):
        await scheduler.until(lambda: len(scheduler.watched_from) > streams)
    assert "2" == scheduler.watched_from[-1]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_lost_commit_of_effects_is_made_good(auto_house: House, moment: str) -> None:
    """Effects and cursor are stored together: after either failure the job is settled once."""
    house = auto_house
    job = await house.submit()
    [workload] = await forwarded(house, job)
    failpoints.configure(f"job.follow.{moment}_commit=error*1")
    await house.scheduler.tell(started(workload), finished(workload, HOUR // 2))
    await house.until(job.id, State.JOB_STATE_COMPLETED)
    kinds = [entry.kind for entry in await house.entries(job_id=job.id)]
    assert 3 == len(kinds) == len(set(kinds))
    assert 0.5 == (await house.quota()).used_gpu_hours


async def test_a_cut_stream_is_opened_again(auto_house: House) -> None:
    """From the last token on."""
    house = auto_house
    one, two = await house.submit(), await house.submit()
    first, second = await forwarded(house, one, two)
    await house.scheduler.tell(finished(first, 1))
    await house.until(one.id, State.JOB_STATE_COMPLETED)
    await house.scheduler.down()
    await house.scheduler.up()
    await house.scheduler.tell(finished(second, 1))
    await house.until(two.id, State.JOB_STATE_COMPLETED)
    assert "1" == house.scheduler.watched_from[-1]


ENDS = {
    "crash": (Outcome.KIND_USER_FAILED, run_pb2.FAULT_PARTY_USER, "EXIT_CODE", 0.25),
    "limit": (Outcome.KIND_TIMED_OUT, run_pb2.FAULT_PARTY_USER, "TIMEOUT", 0.25),
    "node": (Outcome.KIND_PLATFORM_FAILED, run_pb2.FAULT_PARTY_PLATFORM, "BACKEND_ERROR", 0),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_failure_says_whose_fault_it_was(auto_house: House, end: str) -> None:
    """The user pays for own failures, not for the platform's."""
    house = auto_house
    outcome, fault, reason, paid = ENDS[end]
    job = await house.submit(spec=job_pb2.JobSpec(retry=job_pb2.RetryRule()))
    [workload] = await forwarded(house, job)
    await house.scheduler.tell(started(workload), finished(workload, HOUR // 4, outcome, 3))
    job = await house.until(job.id, State.JOB_STATE_FAILED)
    assert fault == job.failure.fault == job.current_run.failure.fault
    assert f"FAILURE_REASON_{reason}" == run_pb2.FailureReason.Name(job.failure.reason)
    assert HOUR // 4 == job.current_run.used_milli_gpu_seconds
    assert paid == (await house.quota()).used_gpu_hours


async def test_events_that_are_no_news_of_a_job_are_passed_over(auto_house: House) -> None:
    """A workload of somebody else's, one that only queued, one that is over already."""
    house = auto_house
    job, gone = await house.submit(), await house.submit()
    workload, cancelled = await forwarded(house, job, gone)
    await house.cancel(gone.id)
    stranger = workload_pb2.Workload(id="w", job_id="somebody's")
    await house.scheduler.tell(
        event_of(workload, Kind.KIND_QUEUED),
        started(stranger),
        finished(stranger, HOUR),
        event_of(cancelled, Kind.KIND_CANCELLED, used_milli_gpu_seconds=HOUR),
        event_of(workload_pb2.Workload(id="an older run", job_id=job.id), Kind.KIND_CANCELLED),
        finished(workload, 0),
    )
    await house.until(job.id, State.JOB_STATE_COMPLETED)
    assert 0.0 == (await house.quota()).used_gpu_hours
    assert State.JOB_STATE_CANCELLED == (await house.get(gone.id)).state


async def test_a_run_refused_by_event_fails_its_job(auto_house: House) -> None:
    """No pool ever has what it asks for."""
    house = auto_house
    job = await house.submit()
    [workload] = await forwarded(house, job)
    await house.scheduler.tell(event_of(workload, Kind.KIND_REFUSED, message="too large"))
    job = await house.until(job.id, State.JOB_STATE_FAILED)
    assert "too large" == job.failure.message
