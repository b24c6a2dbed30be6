"""Jobs, their runs and their events."""

from collections.abc import Mapping
from datetime import datetime

from gpuaas.job.v1 import job_event_pb2, job_pb2, run_pb2
from gpuaas.scheduler.v1 import resource_pb2
from job_service.domain.job import (
    EventKind,
    Failure,
    Job,
    JobEvent,
    JobState,
    Placement,
    Run,
    RunState,
)
from job_service.domain.waiting import WaitingReason
from job_service.entrypoints.encoding.specs import write_spec
from servicekit.wellknown import write_time

_STATES = {state: job_pb2.JobState.Value(f"JOB_STATE_{state}") for state in JobState}
_RUN_STATES = {state: run_pb2.RunState.Value(f"RUN_STATE_{state}") for state in RunState}
_EVENT_KINDS = {kind: job_event_pb2.JobEvent.Kind.Value(f"KIND_{kind}") for kind in EventKind}
_WAITING = {
    JobState.PENDING: job_pb2.WaitingReason(
        kind=job_pb2.WaitingReason.KIND_APPROVAL, message="Waits for an admin's approval."
    ),
    JobState.APPROVED: job_pb2.WaitingReason(
        kind=job_pb2.WaitingReason.KIND_HELD, message="Approved; waits for an admin to start it."
    ),
    JobState.QUEUED: job_pb2.WaitingReason(
        kind=job_pb2.WaitingReason.KIND_RESOURCES, message="Waits for free devices."
    ),
}


def job_message(job: Job, reasons: Mapping[str, WaitingReason] | None = None) -> job_pb2.Job:
    """A job; ``reasons`` by run say why it waits in the scheduler's queue, if that is known."""
    message = job_pb2.Job()
    write_job(message, job)
    if reasons and job.run and (reason := reasons.get(job.run.id)):
        _write_reason(message.waiting, reason)
    return message


def write_job(message: job_pb2.Job, job: Job) -> None:
    """A job, in place."""
    message.id = message.task_id = job.id
    message.owner_id = job.owner.id
    message.owner = job.owner.name
    message.team = job.owner.team
    write_spec(message.spec, job.spec)
    message.state = _STATES[job.state]
    message.status = job.state.value
    message.gpu_type = job.spec.resources.gpu_type
    write_time(message.create_time, job.created_at)
    write_time(message.created_at, job.created_at)
    write_time(message.update_time, job.updated_at)
    message.reserved_milli_gpu_seconds = job.reserved
    message.used_milli_gpu_seconds = job.used
    message.version = job.changes
    if waiting := _WAITING.get(job.state):
        message.waiting.CopyFrom(waiting)
    if job.approved_at:
        _write_course(message, job, job.approved_at)
    if job.ended_at:
        _write_end(message, job, job.ended_at)


def write_event(
    message: job_event_pb2.JobEvent,
    event: JobEvent,
    revision: int,
    event_id: str,
    resume_token: str,
) -> None:
    """An event of a job, in place."""
    message.revision = revision
    message.id = event_id
    message.kind = _EVENT_KINDS[event.kind]
    write_time(message.time, event.at)
    message.actor = event.actor
    message.reason = event.reason
    write_job(message.job, event.job)
    message.resume_token = resume_token
    if event.previous_state:
        message.previous_state = _STATES[event.previous_state]
    if event.job.run:
        message.run_id = event.job.run.id


def _write_reason(message: job_pb2.WaitingReason, reason: WaitingReason) -> None:
    message.kind = job_pb2.WaitingReason.Kind.Value(f"KIND_{reason.kind}")
    message.message = reason.message
    message.position = reason.position
    message.remedy = reason.remedy
    write_time(message.update_time, reason.found_at)
    if reason.start_earliest:
        write_time(message.start_earliest, reason.start_earliest)
    if reason.start_latest:
        write_time(message.start_latest, reason.start_latest)


def _write_course(message: job_pb2.Job, job: Job, approved_at: datetime) -> None:
    """What a job has once it is approved."""
    message.approved_by = job.approved_by
    write_time(message.approve_time, approved_at)
    if job.queued_at:
        write_time(message.queue_time, job.queued_at)
    if job.started_at:
        write_time(message.start_time, job.started_at)
    message.run_count = job.run_count
    if job.run:
        _write_run(message.current_run, job, job.run)


def _write_end(message: job_pb2.Job, job: Job, ended_at: datetime) -> None:
    """What a job has once it has ended."""
    write_time(message.end_time, ended_at)
    message.reject_reason = job.reject_reason
    message.cancelled_by = job.cancelled_by
    message.cancel_reason = job.cancel_reason
    if job.failure:
        _write_failure(message.failure, job.failure)


def _write_run(message: run_pb2.Run, job: Job, run: Run) -> None:
    message.id = run.id
    message.job_id = job.id
    message.attempt = run.attempt
    message.state = _RUN_STATES[run.state]
    write_time(message.queue_time, run.queued_at)
    if run.placement:
        _write_placement(message.placement, run.placement)
    if run.started_at:
        write_time(message.start_time, run.started_at)
    if run.ended_at:
        write_time(message.end_time, run.ended_at)
    message.exit_code = run.exit_code
    message.used_milli_gpu_seconds = run.used
    if job.failure:
        _write_failure(message.failure, job.failure)


def _write_placement(message: resource_pb2.Placement, placement: Placement) -> None:
    message.allocation_id = placement.allocation_id
    message.pool = placement.pool
    message.provider = placement.provider
    for node in placement.slices:
        part = message.slices.add(
            node_id=node.node_id,
            node=node.node,
            gpu_type=node.gpu_type,
            vcpus=node.vcpus,
            memory_gb=node.memory_gb,
        )
        for device in node.devices:
            part.devices.add(index=device.index, milli_gpu=device.milli_gpu)


def _write_failure(message: run_pb2.Failure, failure: Failure) -> None:
    message.fault = run_pb2.FaultParty.Value(f"FAULT_PARTY_{failure.fault}")
    message.reason = run_pb2.FailureReason.Value(f"FAILURE_REASON_{failure.reason}")
    message.message = failure.message
    message.exit_code = failure.exit_code
