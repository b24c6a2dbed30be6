"""Answers to submits, of one job and of many."""

from datetime import timedelta

from gpuaas.job.v1 import job_service_pb2
from job_service.domain.errors import BatchAborted
from job_service.domain.job import Job, JobState
from job_service.domain.spec import JobSpec
from job_service.entrypoints.encoding.jobs import job_message
from servicekit.errors import Failure

_SUBMITTED = {
    JobState.PENDING: "Waits for an admin's approval.",
    JobState.APPROVED: "Approved; waits to be started.",
    JobState.QUEUED: "Approved and queued.",
}


def submit_response(job: Job) -> job_service_pb2.SubmitJobResponse:
    """The answer to a submit, retold for clients that look for a task."""
    message, resources = job_message(job), job.spec.resources
    return job_service_pb2.SubmitJobResponse(
        job=message,
        task_id=job.id,
        provider=job.spec.provider,
        routing_key=f"{job.spec.provider}_{resources.gpu_type}_{resources.count}",
        queue="gpu_tasks",
        status=job.state.value.lower(),
        message=_SUBMITTED.get(job.state, ""),
        created_at=message.create_time,
        scheduling_info=_scheduling_info(job.spec),
    )


def batch_response(results: list[Job | Failure]) -> job_service_pb2.BatchSubmitJobsResponse:
    """An answer per item of a batch."""
    return job_service_pb2.BatchSubmitJobsResponse(
        results=[
            job_service_pb2.BatchSubmitResult(job=job_message(result))
            if isinstance(result, Job)
            else job_service_pb2.BatchSubmitResult(error=_item_error(result))
            for result in results
        ],
        submitted_count=sum(isinstance(result, Job) for result in results),
    )


def aborted_batch(aborted: BatchAborted, count: int) -> job_service_pb2.BatchSubmitJobsResponse:
    """The answers of a batch of which one item was refused and nothing stored."""
    results: list[Job | Failure] = [aborted] * count
    results[aborted.place] = aborted.cause
    return batch_response(results)


def _scheduling_info(spec: JobSpec) -> job_service_pb2.SchedulingInfo:
    resources = spec.resources
    return job_service_pb2.SchedulingInfo(
        strategy=(spec.strategy or "balanced").lower(),
        estimated_duration=spec.estimated_duration / timedelta(hours=1),
        gpu_spec=job_service_pb2.GpuSpec(
            gpu_type=resources.gpu_type,
            gpu_count=resources.count,
            memory_gb=resources.memory_gb,
            vcpus=resources.vcpus,
            priority=spec.priority,
        ),
    )


def _item_error(refusal: Failure) -> job_service_pb2.ItemError:
    return job_service_pb2.ItemError(
        code=refusal.kind.value,
        reason=refusal.reason,
        message=refusal.message,
        metadata=refusal.metadata,
    )
