"""Jobs, their runs and their events."""

from datetime import datetime

from gpuaas.job.v1 import job_event_pb2, job_pb2
from job_service.domain.job import Approval, Job, JobEvent
from job_service.domain.states import EventKind, JobState
from job_service.domain.waiting import Waiting
from job_service.entrypoints.encoding.money import write_money
from job_service.entrypoints.encoding.runs import write_failure, write_run
from job_service.entrypoints.encoding.specs import write_spec
from servicekit.wellknown import write_time
from servicekit.wire import element

STATES = {state: job_pb2.JobState.Value(f"JOB_STATE_{state}") for state in JobState}
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
_DEPENDENCY = job_pb2.WaitingReason(
    kind=job_pb2.WaitingReason.KIND_DEPENDENCY, message="Waits for another job to end."
)


def waiting_of(job: Job) -> job_pb2.WaitingReason:
    """Why a job waits, as far as its own state tells."""
    if job.state is JobState.APPROVED and (job.spec.dependencies or job.spec.not_before):
        return _DEPENDENCY if job.spec.dependencies else _not_before(job)
    if job.state is JobState.PENDING and job.approvals_needed > 1:
        return _several_approvals(job)
    if job.held_until:
        reason = job_pb2.WaitingReason(
            kind=job_pb2.WaitingReason.KIND_BACKOFF, message="Waits before it is tried again."
        )
        write_time(reason.start_earliest, job.held_until)
        return reason
    return _WAITING[job.state]


def write_waiting(message: job_pb2.WaitingReason, waiting: Waiting) -> None:
    """What the scheduler says about a run that waits, in place."""
    message.Clear()
    message.kind = job_pb2.WaitingReason.Kind.Value(f"KIND_{waiting.kind}")
    message.message = waiting.message
    message.position = waiting.position
    message.remedy = waiting.remedy
    for field, at in (
        (message.start_earliest, waiting.start_earliest),
        (message.start_latest, waiting.start_latest),
        (message.update_time, waiting.found_at),
    ):
        if at:
            write_time(field, at)


def job_message(job: Job) -> job_pb2.Job:
    """A job."""
    message = job_pb2.Job()
    write_job(message, job)
    return message


def write_job(message: job_pb2.Job, job: Job) -> None:
    """A job, in place."""
    _write_lasting(message, job)
    _write_changing(message, job)


def lasting_part(job: Job) -> bytes:
    """What of a job never changes, encoded."""
    message = job_pb2.Job()
    _write_lasting(message, job)
    return message.SerializeToString()


def encoded_event(
    event: JobEvent, revision: int, event_id: str, resume_token: str, lasting: bytes
) -> bytes:
    """An event, encoded, with the ``lasting`` part of its job as that was encoded before."""
    job = job_pb2.Job()
    _write_changing(job, event.job)
    message = job_event_pb2.JobEvent(
        revision=revision,
        id=event_id,
        kind=_EVENT_KINDS[event.kind],
        actor=event.actor,
        reason=event.reason,
        resume_token=resume_token,
    )
    write_time(message.time, event.at)
    if event.previous_state:
        message.previous_state = STATES[event.previous_state]
    if event.job.run:
        message.run_id = event.job.run.id
    whole_job = element(message.JOB_FIELD_NUMBER, lasting + job.SerializeToString())
    return message.SerializeToString() + whole_job


def _write_lasting(message: job_pb2.Job, job: Job) -> None:
    """What never changes about a job, in place."""
    message.id = message.task_id = job.id
    message.owner_id = job.owner.id
    message.owner = job.owner.name
    message.team = job.owner.team
    write_spec(message.spec, job.spec)
    message.gpu_type = job.spec.resources.gpu_type
    write_time(message.create_time, job.created_at)
    write_time(message.created_at, job.created_at)
    if job.origin_id:
        message.origin_job_id = job.origin_id
    if job.array_id:
        message.array_id = job.array_id
        message.array_index = job.array_index
    if job.price_limit:
        write_money(message.hourly_price_limit, job.price_limit)


def _write_changing(message: job_pb2.Job, job: Job) -> None:
    """What each change of a job may change, in place."""
    message.state = STATES[job.state]
    message.status = job.state.value
    write_time(message.update_time, job.updated_at)
    message.reserved_milli_gpu_seconds = job.reserved
    message.used_milli_gpu_seconds = job.used
    message.version = job.changes
    if not (job.state.ended or job.state is JobState.RUNNING):
        message.waiting.CopyFrom(waiting_of(job))
    for given in job.approvals:
        _write_approval(message.approvals.add(), given)
    if job.approved_at:
        _write_course(message, job, job.approved_at)
    if job.ended_at:
        _write_end(message, job, job.ended_at)


def _several_approvals(job: Job) -> job_pb2.WaitingReason:
    """Who has approved a job that one approver is not enough for, and that another is missing."""
    message = f"Waits for the approvals of {job.approvals_needed} admins, none of them its owner."
    if job.approvals:
        given = ", ".join(approval.approver for approval in job.approvals)
        message = f"Approved by {given}; a second approver is missing."
    return job_pb2.WaitingReason(kind=job_pb2.WaitingReason.KIND_APPROVAL, message=message)


def _not_before(job: Job) -> job_pb2.WaitingReason:
    reason = job_pb2.WaitingReason(
        kind=job_pb2.WaitingReason.KIND_NOT_BEFORE, message="Waits for the time it was asked for."
    )
    if job.spec.not_before:
        write_time(reason.start_earliest, job.spec.not_before)
    return reason


def _write_approval(message: job_pb2.Approval, approval: Approval) -> None:
    message.approver_id = approval.approver_id
    message.approver = approval.approver
    write_time(message.time, approval.at)
    message.comment = approval.comment


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
        write_run(message.current_run, job.id, job.run)


def _write_end(message: job_pb2.Job, job: Job, ended_at: datetime) -> None:
    """What a job has once it has ended."""
    write_time(message.end_time, ended_at)
    message.reject_reason = job.reject_reason
    message.cancelled_by = job.cancelled_by
    message.cancel_reason = job.cancel_reason
    if job.failure:
        write_failure(message.failure, job.failure)
