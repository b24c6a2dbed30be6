"""Runs, retries, dependencies, arrays and times over a true server and a commanded scheduler."""

from datetime import UTC, datetime, timedelta

from gpuaas.job.v1 import job_event_pb2, job_pb2, run_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import workload_pb2
from servicekit.clock import ManualClock
from servicekit.wellknown import timestamp
from tests.service.job_service.conftest import AUTO, House, Open, State
from tests.service.job_service.scheduler import Outcome, finished, preempted, started

HOUR = 3_600_000
AT_ONCE = job_pb2.RetryRule(
    max_retries=2,
    on_fault=[run_pb2.FAULT_PARTY_USER, run_pb2.FAULT_PARTY_PLATFORM],
    backoff={"nanos": 1},  # type: ignore[arg-type]
)


async def workload_of(house: House, job: job_pb2.Job, attempt: int = 1) -> workload_pb2.Workload:
    """The workload of a job's run, once the scheduler has it."""

    def found() -> list[workload_pb2.Workload]:
        all_of_them = [it for batch in house.scheduler.enqueued for it in batch]
        return [it for it in all_of_them if (it.job_id, it.attempt) == (job.id, attempt)]

    await house.scheduler.until(lambda: bool(found()))
    return found()[0]


async def test_a_preempted_job_goes_on_as_a_new_run(auto_house: House) -> None:
    """Which the scheduler gets by itself; both runs are listed, and one event says why."""
    house = auto_house
    job = await house.submit()
    first = await workload_of(house, job)
    await house.scheduler.tell(started(first), preempted(first, HOUR // 4))
    second = await workload_of(house, job, 2)
    assert first.id != second.id
    await house.scheduler.tell(started(second), finished(second, HOUR // 2))
    job = await house.until(job.id, State.JOB_STATE_COMPLETED)
    assert (2, HOUR // 2) == (job.run_count, job.used_milli_gpu_seconds)
    answer = await house.jobs.ListRuns(pb.ListRunsRequest(job_id=job.id), **house.by("ada"))
    assert [
        (2, second.id, run_pb2.RUN_STATE_COMPLETED, HOUR // 2),
        (1, first.id, run_pb2.RUN_STATE_PREEMPTED, HOUR // 4),
    ] == [(it.attempt, it.id, it.state, it.used_milli_gpu_seconds) for it in answer.runs]
    assert "node-1" == answer.runs[1].placement.slices[0].node
    events = await house.timeline(job.id)
    kind = job_event_pb2.JobEvent
    assert [
        kind.KIND_SUBMITTED,
        kind.KIND_APPROVED,
        kind.KIND_QUEUED,
        kind.KIND_STARTED,
        kind.KIND_PREEMPTED,
        kind.KIND_STARTED,
        kind.KIND_COMPLETED,
    ] == [event.kind for event in events]
    assert ("scheduler", "for a job of HIGH") == (events[4].actor, events[4].reason)


async def test_runs_and_timelines_come_in_pages(auto_house: House) -> None:
    """Each with a token for the next; a stranger's job does not exist."""
    house = auto_house
    job = await house.submit()
    for attempt in range(1, 4):
        workload = await workload_of(house, job, attempt)
        await house.scheduler.tell(started(workload), preempted(workload))
    await workload_of(house, job, 4)
    attempts, token = [], ""
    for _ in range(2):
        request = pb.ListRunsRequest(job_id=job.id, page_size=2, page_token=token)
        answer = await house.jobs.ListRuns(request, **house.by("ada"))
        attempts += [run.attempt for run in answer.runs]
        token = answer.next_page_token
    assert ([4, 3, 2, 1], "") == (attempts, token)
    first = pb.ListJobEventsRequest(job_id=job.id, page_size=4)
    page = await house.jobs.ListJobEvents(first, **house.by("ada"))
    first.page_token, first.page_size = page.next_page_token, 50
    rest = await house.jobs.ListJobEvents(first, **house.by("ada"))
    assert (9, "") == (len(page.events) + len(rest.events), rest.next_page_token)
    revisions = [event.revision for event in [*page.events, *rest.events]]
    assert sorted(set(revisions)) == revisions


async def test_a_failed_run_is_tried_again_and_paid_for(auto_house: House) -> None:
    """As the job's rule says; the pause passes by itself."""
    house = auto_house
    job = await house.submit(spec=job_pb2.JobSpec(retry=AT_ONCE))
    first = await workload_of(house, job)
    await house.scheduler.tell(finished(first, HOUR // 2, Outcome.KIND_USER_FAILED, 3))
    second = await workload_of(house, job, 2)
    await house.scheduler.tell(finished(second, HOUR // 4))
    job = await house.until(job.id, State.JOB_STATE_COMPLETED)
    assert 3 * HOUR // 4 == job.used_milli_gpu_seconds
    assert 0.75 == (await house.quota()).used_gpu_hours
    assert 0 == (await house.quota()).reserved_gpu_hours


async def test_a_job_starts_after_the_one_it_waits_for(auto_house: House) -> None:
    """And says until then what it waits for."""
    house = auto_house
    first = await house.submit()
    spec = job_pb2.JobSpec(dependencies=[job_pb2.Dependency(job_id=first.id)])
    second = await house.submit(spec=spec)
    assert State.JOB_STATE_APPROVED == second.state
    assert job_pb2.WaitingReason.KIND_DEPENDENCY == second.waiting.kind
    await house.scheduler.tell(finished(await workload_of(house, first), 1))
    await workload_of(house, second)
    third = await house.submit(
        spec=job_pb2.JobSpec(dependencies=[job_pb2.Dependency(job_id=second.id)])
    )
    await house.cancel(second.id)
    third = await house.until(third.id, State.JOB_STATE_FAILED)
    assert run_pb2.FAILURE_REASON_DEPENDENCY_FAILED == third.failure.reason


async def test_a_job_starts_when_its_time_has_come(open_house: Open) -> None:
    """Also if the service was away meanwhile."""
    clock = ManualClock(datetime.now(UTC))
    soon = clock.now() + timedelta(minutes=1)
    async with open_house(clock, **AUTO) as house:
        job = await house.submit(spec=job_pb2.JobSpec(not_before=timestamp(soon)))
        assert State.JOB_STATE_APPROVED == job.state
        assert job_pb2.WaitingReason.KIND_NOT_BEFORE == job.waiting.kind
        assert timestamp(soon) == job.waiting.start_earliest
    clock.advance(timedelta(minutes=1))
    async with open_house(clock, **AUTO) as house:
        workload = await workload_of(house, job)
        assert job.id == workload.job_id
        job = await house.get(job.id)
        assert soon <= job.queue_time.ToDatetime(tzinfo=soon.tzinfo)


async def test_the_jobs_of_an_array_know_their_places(auto_house: House) -> None:
    """They are listed, and cancelled, by the id of the first."""
    house = auto_house
    first = await house.submit(spec=job_pb2.JobSpec(array_size=3))
    assert (first.id, 0) == (first.array_id, first.array_index)
    ids = await house.listed(array_id=first.id)
    assert 3 == len(ids)
    await house.scheduler.until(lambda: len(house.scheduler.ids) == 3)
    places = {it.environment["GPUAAS_ARRAY_INDEX"] for it in house.scheduler.by_job.values()}
    assert {"0", "1", "2"} == places
    request = pb.CancelJobsRequest(filter=pb.JobFilter(array_id=first.id))
    answer = await house.jobs.CancelJobs(request, **house.by("ada"))
    assert 3 == len(answer.results)
    await house.scheduler.until(lambda: len(house.scheduler.cancelled) == 3)


async def test_a_batch_can_be_tried_whole(house: House) -> None:
    """Everything is checked, the quota over all items; nothing is stored and nothing has an id."""
    specs = [
        job_pb2.JobSpec(command="a", estimated_hours=6),
        job_pb2.JobSpec(command="b", estimated_hours=3, array_size=2),
        job_pb2.JobSpec(command="c", dependencies=[job_pb2.Dependency(batch_index=0)]),
    ]
    request = pb.BatchSubmitJobsRequest(specs=specs, validate_only=True)
    answer = await house.jobs.BatchSubmitJobs(request, **house.by("ada"))
    assert ["", "QUOTA_EXCEEDED", ""] == [it.error.reason for it in answer.results]
    assert (0, {""}) == (answer.submitted_count, {it.job.id for it in answer.results})
    request.all_or_nothing = True
    answer = await house.jobs.BatchSubmitJobs(request, **house.by("ada"))
    assert ["BATCH_ABORTED", "QUOTA_EXCEEDED", "BATCH_ABORTED"] == [
        it.error.reason for it in answer.results
    ]
    assert [] == await house.listed()
    assert 0 == (await house.quota()).reserved_gpu_hours
