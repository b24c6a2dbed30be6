"""Answers to submits, of one job and of many."""

from datetime import timedelta

from gpuaas.job.v1 import job_pb2, job_service_pb2
from job_service.application.commands.cancelling import Cancelled
from job_service.domain.errors import BatchAborted
from job_service.domain.job import Job
from job_service.domain.spec import JobSpec
from job_service.domain.states import JobState
from job_service.entrypoints.encoding.jobs import write_job
from servicekit.errors import Failure
from servicekit.values import replace
from servicekit.wellknown import write_time

_HOUR = timedelta(hours=1)
_SUBMITTED = {
    JobState.PENDING: "Waits for an admin's approval.",
    JobState.APPROVED: "Approved; waits to be started.",
    JobState.QUEUED: "Approved and queued.",
}


def submit_response(job: Job) -> job_service_pb2.SubmitJobResponse:
    """The answer to a submit, retold for clients that look for a task."""
    resources = job.spec.resources
    message = job_service_pb2.SubmitJobResponse(
        task_id=job.id,
        provider=job.spec.provider,
        routing_key=f"{job.spec.provider}_{resources.gpu_type}_{resources.count}",
        queue="gpu_tasks",
        status=job.state.value.lower(),
        message=_SUBMITTED.get(job.state, ""),
    )
    write_job(message.job, job)
    write_time(message.created_at, job.created_at)
    _write_scheduling_info(message.scheduling_info, job.spec)
    return message


def tried_response(job: Job) -> job_service_pb2.SubmitJobResponse:
    """The answer to a submit that stored nothing: its job has no id."""
    return submit_response(without_ids(job))


def tried_batch(results: list[Job | Failure]) -> job_service_pb2.BatchSubmitJobsResponse:
    """The answers of a batch that stored nothing."""
    shown = [without_ids(it) if isinstance(it, Job) else it for it in results]
    message = batch_response(shown)
    message.submitted_count = 0
    return message


def without_ids(job: Job) -> Job:
    """The job that a submit would have made."""
    run = replace(job.run, id="") if job.run else None
    return replace(job, id="", array_id="", run=run)


def batch_response(results: list[Job | Failure]) -> job_service_pb2.BatchSubmitJobsResponse:
    """An answer per item of a batch."""
    message = job_service_pb2.BatchSubmitJobsResponse(
        submitted_count=sum(
            max(1, result.spec.array_size) for result in results if isinstance(result, Job)
        )
    )
    for result in results:
        item = message.results.add()
        if isinstance(result, Job):
            write_job(item.job, result)
        else:
            _write_item_error(item.error, result)
    return message


def cancel_response(results: list[Cancelled]) -> job_service_pb2.CancelJobsResponse:
    """An answer per job that was to be cancelled."""
    message = job_service_pb2.CancelJobsResponse()
    for result in results:
        kind = job_service_pb2.CancelResult.Kind.Value(f"KIND_{result.kind}")
        one = message.results.add(job_id=result.job_id, kind=kind)
        if result.state:
            one.state = job_pb2.JobState.Value(f"JOB_STATE_{result.state}")
    return message


def aborted_batch(aborted: BatchAborted, count: int) -> job_service_pb2.BatchSubmitJobsResponse:
    """The answers of a batch of which one item was refused and nothing stored."""
    results: list[Job | Failure] = [aborted] * count
    results[aborted.place] = aborted.cause
    return batch_response(results)


def _write_scheduling_info(message: job_service_pb2.SchedulingInfo, spec: JobSpec) -> None:
    resources = spec.resources
    message.strategy = (spec.strategy or "balanced").lower()
    message.estimated_duration = spec.estimated_duration / _HOUR
    asked = message.gpu_spec
    asked.gpu_type = resources.gpu_type
    asked.gpu_count = resources.count
    asked.memory_gb = resources.memory_gb
    asked.vcpus = resources.vcpus
    asked.priority = spec.priority


def _write_item_error(message: job_service_pb2.ItemError, refusal: Failure) -> None:
    message.code = refusal.kind.value
    message.reason = refusal.reason
    message.message = refusal.message
    message.metadata.update(refusal.metadata)
