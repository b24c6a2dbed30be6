"""Submitting, reading and leading jobs through their life, over a true server."""

import pytest
from google.protobuf.duration_pb2 import Duration

from gpuaas.job.v1 import job_pb2, job_service_pb2, run_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from servicekit.errors import FailedPrecondition, NotFound, PermissionDenied
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import NOTHING, House, Open, State
from tests.service.job_service.scheduler import finished, started

Waiting = job_pb2.WaitingReason

UNCHANGED = (
    "args",
    "image",
    "environment",
    "pool",
    "provider",
    "strategy",
    "priority_class",
    "priority",
    "preemptible",
    "estimated_duration",
    "max_runtime",
    "simulation",
)
"""What a spec and its workload have in common, by the same names."""


async def test_a_submitted_job_waits_for_approval(house: House) -> None:
    """The answer tells whose it is, what was asked for, and why it waits."""
    await house.gpu_types_known()
    job = await house.submit(gpu_type="A100", gpu_count=2, name="bert")
    assert (State.JOB_STATE_PENDING, "PENDING") == (job.state, job.status)
    assert (house.identities.user_id("ada"), "ada", "default") == (
        job.owner_id,
        job.owner,
        job.team,
    )
    assert ("A100", 2, "bert") == (job.gpu_type, job.spec.resources.count, job.spec.name)
    assert (2 * HOUR, 1) == (job.reserved_milli_gpu_seconds, job.version)
    assert Waiting.KIND_APPROVAL == job.waiting.kind
    assert not job.HasField("current_run")
    assert job == await house.get(job.id, by="ada")


async def test_the_answer_retells_the_job_as_a_task(house: House) -> None:
    """For clients that look for a task, its queue and how it is scheduled."""
    await house.gpu_types_known()
    spec = job_service_pb2.GpuSpec(gpu_type="T4", gpu_count=3, memory_gb=24, vcpus=4, priority=7)
    request = job_service_pb2.SubmitJobRequest(
        command="x", provider="runpod", strategy="cost", gpu_spec=spec, estimated_hours=0.5
    )
    answer = await house.jobs.SubmitJob(request, **house.by("ada"))
    assert (answer.job.id, answer.job.id) == (answer.task_id, answer.job.task_id)
    assert ("runpod", "runpod_T4_3", "gpu_tasks", "pending") == (
        answer.provider,
        answer.routing_key,
        answer.queue,
        answer.status,
    )
    assert ("cost", 0.5) == (
        answer.scheduling_info.strategy,
        answer.scheduling_info.estimated_duration,
    )
    assert spec == answer.scheduling_info.gpu_spec
    assert answer.job.create_time == answer.created_at == answer.job.created_at


async def test_a_checked_submit_stores_nothing(house: House) -> None:
    """Though it says what the job would be; its quota is checked, too."""
    job = await house.submit(validate_only=True)
    assert ("", State.JOB_STATE_PENDING) == (job.id, job.state)
    with pytest.raises(FailedPrecondition):
        await house.submit(estimated_hours=11, validate_only=True)
    assert NOTHING == await house.stored()


async def test_an_approved_job_runs_to_its_end(house: House) -> None:
    """Approve, enqueue, start, finish: each step is visible, and the ledger settles."""
    job = await house.submit(estimated_hours=2)
    job = await house.approve(job.id, comment="fine")
    assert (State.JOB_STATE_QUEUED, "root") == (job.state, job.approved_by)
    assert Waiting.KIND_RESOURCES == job.waiting.kind

    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    workload = house.scheduler.by_job[job.id]
    assert (job.current_run.id, job.owner_id, 1) == (
        workload.id,
        workload.owner_id,
        workload.attempt,
    )
    await house.scheduler.tell(started(workload))
    job = await house.until(job.id, State.JOB_STATE_RUNNING)
    assert run_pb2.RUN_STATE_RUNNING == job.current_run.state
    assert "node-1" == job.current_run.placement.slices[0].node
    assert not job.HasField("waiting")

    await house.scheduler.tell(finished(workload, HOUR))
    job = await house.until(job.id, State.JOB_STATE_COMPLETED)
    assert (0, HOUR) == (job.reserved_milli_gpu_seconds, job.used_milli_gpu_seconds)
    quota = await house.quota()
    assert (1.0, 0.0, 9.0) == (
        quota.used_gpu_hours,
        quota.reserved_gpu_hours,
        quota.left_gpu_hours,
    )


async def test_everything_asked_for_reaches_the_scheduler(auto_house: House) -> None:
    """The workload carries the whole spec."""
    house = auto_house
    spec = job_pb2.JobSpec(
        args=["python", "train.py"],
        image="pytorch:2",
        environment={"EPOCHS": "3"},
        resources=resource_pb2.ResourceSpec(
            gpu_type="A100", count=2, nodes=3, memory_gb=64, vcpus=8, node_labels={"zone": "b"}
        ),
        pool="training",
        provider="local",
        strategy=resource_pb2.STRATEGY_COST,
        priority_class=resource_pb2.PRIORITY_CLASS_HIGH,
        priority=9,
        preemptible=True,
        estimated_duration=Duration(seconds=60),
        max_runtime=Duration(seconds=90),
        simulation=workload_pb2.Simulation(duration=Duration(seconds=5), exit_code=3),
    )
    job = (
        await house.jobs.SubmitJob(job_service_pb2.SubmitJobRequest(spec=spec), **house.by("ada"))
    ).job
    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    workload = house.scheduler.by_job[job.id]
    for name in UNCHANGED:
        assert getattr(spec, name) == getattr(workload, name), name
    spec.resources.resource_type = resource_pb2.RESOURCE_TYPE_GPU
    spec.resources.milli_gpu_per_device = 1000
    assert spec.resources == workload.resources
    assert "python" == workload.name


async def test_the_trace_goes_on_at_the_scheduler(auto_house: House) -> None:
    """The workload carries the trace context of the call that caused it."""
    house = auto_house
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = job_service_pb2.SubmitJobRequest(command="x")
    metadata = [*house.by("ada")["metadata"], ("traceparent", trace)]
    job = (await house.jobs.SubmitJob(request, metadata=metadata)).job
    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    assert trace == house.scheduler.by_job[job.id].traceparent


async def test_a_rejected_job_ends_with_its_reason(house: House) -> None:
    """And its hours return; the scheduler never hears of it."""
    job = await house.submit()
    job = await house.reject(job.id, "too much")
    assert (State.JOB_STATE_REJECTED, "too much") == (job.state, job.reject_reason)
    assert 10.0 == (await house.quota()).left_gpu_hours
    assert [] == house.scheduler.enqueued


async def test_a_start_is_the_admins_where_it_is_not_automatic(open_house: Open) -> None:
    """Approved, the job is held until then."""
    async with open_house(auto_start=False) as house:
        job = await house.submit()
        approved = await house.approve(job.id)
        assert State.JOB_STATE_APPROVED == approved.state
        assert Waiting.KIND_HELD == approved.waiting.kind
        assert State.JOB_STATE_QUEUED == (await house.start(job.id)).state
        await house.scheduler.until(lambda: job.id in house.scheduler.by_job)


async def test_a_cancelled_run_is_stopped(auto_house: House) -> None:
    """The job is CANCELLED at once, its run is stopped at the scheduler soon after."""
    house = auto_house
    job = await house.submit()
    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    job = await house.cancel(job.id, reason="enough")
    assert (State.JOB_STATE_CANCELLED, "ada", "enough") == (
        job.state,
        job.cancelled_by,
        job.cancel_reason,
    )
    await house.scheduler.until(lambda: [job.current_run.id] == house.scheduler.cancelled)
    assert 1000.0 == (await house.quota()).left_gpu_hours


async def test_each_verb_is_harmless_when_repeated(house: House) -> None:
    """The second answer is the first."""
    one, two, three = [await house.submit() for _ in range(3)]
    assert await house.approve(one.id) == await house.approve(one.id)
    assert await house.reject(two.id) == await house.reject(two.id)
    assert await house.cancel(three.id) == await house.cancel(three.id)


async def test_a_state_that_forbids_a_verb_is_named(house: House) -> None:
    """With the job, for a program to act on."""
    job = await house.submit()
    await house.reject(job.id)
    for call in (house.approve(job.id), house.cancel(job.id), house.start(job.id)):
        with pytest.raises(FailedPrecondition) as refused:
            await call
        assert "JOB_STATE_FORBIDS" == refused.value.reason
        assert ("REJECTED", job.id) == (
            refused.value.metadata["state"],
            refused.value.metadata["job_id"],
        )


async def test_a_strangers_job_is_not_found(house: House) -> None:
    """By exactly the answer that a job which does not exist gets."""
    job = await house.submit()
    absent = "00000000-0000-7000-8000-000000000000"
    for verb in (house.get, house.cancel):
        answers = []
        for job_id in (job.id, absent):
            with pytest.raises(NotFound) as refused:
                await verb(job_id, by="eve")
            answers.append((refused.value.reason, refused.value.message.replace(job_id, "")))
        assert answers[0] == answers[1]
        assert "JOB_NOT_FOUND" == answers[0][0]
    assert [] == await house.listed(by="eve")
    assert State.JOB_STATE_PENDING == (await house.get(job.id)).state


async def test_an_admins_verbs_are_not_the_users(house: House) -> None:
    """Also on an own job."""
    job = await house.submit()
    request = job_service_pb2.ListAllJobsRequest()
    for call in (
        house.approve(job.id, by="ada"),
        house.reject(job.id, by="ada"),
        house.start(job.id, by="ada"),
        house.jobs.ListAllJobs(request, **house.by("ada")),
    ):
        with pytest.raises(PermissionDenied) as refused:
            await call
        assert "ROLE_FORBIDDEN" == refused.value.reason


async def test_lists_page_and_filter(house: House) -> None:
    """Own jobs newest first; conditions hold, pages join without a seam."""
    ids = [(await house.submit(name=f"n{number % 2}")).id for number in range(5)]
    other = (await house.submit(by="bob")).id
    assert ids[::-1] == await house.listed()
    assert ids[1::2] == (await house.listed(name_prefix="n1", order_by=2))
    first = await house.jobs.ListJobs(
        job_service_pb2.ListJobsRequest(page_size=3), **house.by("ada")
    )
    rest = await house.listed(page_size=3, page_token=first.next_page_token)
    assert ids[::-1] == [job.id for job in first.jobs] + rest
    everybodys = await house.jobs.ListAllJobs(
        job_service_pb2.ListAllJobsRequest(), **house.by("root")
    )
    assert [other, *ids[::-1]] == [job.id for job in everybodys.jobs]


async def test_a_batch_answers_for_each_item(house: House) -> None:
    """Stored, too large, senseless: each by itself, in order."""
    specs = [
        job_pb2.JobSpec(command="x", estimated_hours=4),
        job_pb2.JobSpec(command="x", estimated_hours=7),
        job_pb2.JobSpec(command="x", estimated_hours=-1),
        job_pb2.JobSpec(command="x", estimated_hours=6),
    ]
    request = job_service_pb2.BatchSubmitJobsRequest(specs=specs)
    answer = await house.jobs.BatchSubmitJobs(request, **house.by("ada"))
    reasons = [result.error.reason for result in answer.results]
    assert ["", "QUOTA_EXCEEDED", "FIELD_INVALID", ""] == reasons
    assert [0, 9, 3, 0] == [result.error.code for result in answer.results]
    assert "specs[2].estimated_hours" == answer.results[2].error.metadata["field"]
    assert 2 == answer.submitted_count
    stored = [answer.results[place].job.id for place in (0, 3)]
    assert set(stored) == set(await house.listed())


async def test_all_or_nothing_stores_all_or_nothing(house: House) -> None:
    """One refusal aborts the others, and the answer still tells why of each."""
    specs = [job_pb2.JobSpec(command="x", estimated_hours=hours) for hours in (4, 7, 1)]
    request = job_service_pb2.BatchSubmitJobsRequest(specs=specs, all_or_nothing=True)
    answer = await house.jobs.BatchSubmitJobs(request, **house.by("ada"))
    reasons = [result.error.reason for result in answer.results]
    assert ["BATCH_ABORTED", "QUOTA_EXCEEDED", "BATCH_ABORTED"] == reasons
    assert (0, NOTHING) == (answer.submitted_count, await house.stored())
    request.specs[1].estimated_hours = 5
    answer = await house.jobs.BatchSubmitJobs(request, **house.by("ada"))
    assert 3 == answer.submitted_count == len(await house.listed())
