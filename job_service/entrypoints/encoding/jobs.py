"""Jobs, their runs and their events."""

from datetime import datetime

from gpuaas.job.v1 import job_event_pb2, job_pb2, run_pb2
from gpuaas.scheduler.v1 import resource_pb2
from job_service.domain.job import (
    EventKind,
    Failure,
    Job,
    JobEvent,
    JobState,
    NodeSlice,
    Placement,
    Run,
    RunState,
)
from job_service.entrypoints.encoding.specs import spec_message
from servicekit.wellknown import timestamp, timestamp_or_none

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


def job_message(job: Job, spec: job_pb2.JobSpec | None = None) -> job_pb2.Job:
    """A job; ``spec`` is its spec's message where that has been made before."""
    created = timestamp(job.created_at)
    message = job_pb2.Job(
        id=job.id,
        owner_id=job.owner.id,
        owner=job.owner.name,
        team=job.owner.team,
        spec=spec or spec_message(job.spec),
        state=_STATES[job.state],
        status=job.state.value,
        gpu_type=job.spec.resources.gpu_type,
        create_time=created,
        update_time=created if job.changes == 1 else timestamp(job.updated_at),
        run_count=job.run_count,
        waiting=_WAITING.get(job.state),
        reserved_milli_gpu_seconds=job.reserved,
        used_milli_gpu_seconds=job.used,
        version=job.changes,
        task_id=job.id,
        created_at=created,
    )
    if job.approved_at:
        _add_course(message, job)
    if job.ended_at:
        _add_end(message, job, job.ended_at)
    return message


def _add_course(message: job_pb2.Job, job: Job) -> None:
    """What a job has once it is approved."""
    message.approved_by = job.approved_by
    for name, at in (
        ("approve_time", job.approved_at),
        ("queue_time", job.queued_at),
        ("start_time", job.started_at),
    ):
        if at:
            getattr(message, name).CopyFrom(timestamp(at))
    if job.run:
        message.current_run.CopyFrom(_run(job, job.run))


def _add_end(message: job_pb2.Job, job: Job, ended_at: datetime) -> None:
    """What a job has once it has ended."""
    message.end_time.CopyFrom(timestamp(ended_at))
    message.reject_reason = job.reject_reason
    message.cancelled_by = job.cancelled_by
    message.cancel_reason = job.cancel_reason
    if job.failure:
        message.failure.CopyFrom(_failure(job.failure))


def event_message(
    event: JobEvent,
    revision: int,
    event_id: str,
    resume_token: str,
    spec: job_pb2.JobSpec | None = None,
) -> job_event_pb2.JobEvent:
    """An event of a job; ``spec`` as above."""
    return job_event_pb2.JobEvent(
        revision=revision,
        id=event_id,
        kind=_EVENT_KINDS[event.kind],
        time=timestamp(event.at),
        actor=event.actor,
        reason=event.reason,
        job=job_message(event.job, spec),
        resume_token=resume_token,
        previous_state=_STATES[event.previous_state]
        if event.previous_state
        else job_pb2.JOB_STATE_UNSPECIFIED,
        run_id=event.job.run.id if event.job.run else "",
    )


def _run(job: Job, run: Run) -> run_pb2.Run:
    return run_pb2.Run(
        id=run.id,
        job_id=job.id,
        attempt=run.attempt,
        state=_RUN_STATES[run.state],
        placement=_placement(run.placement) if run.placement else None,
        queue_time=timestamp(run.queued_at),
        start_time=timestamp_or_none(run.started_at),
        end_time=timestamp_or_none(run.ended_at),
        exit_code=run.exit_code,
        failure=_failure(job.failure) if job.failure else None,
        used_milli_gpu_seconds=run.used,
    )


def _placement(placement: Placement) -> resource_pb2.Placement:
    return resource_pb2.Placement(
        allocation_id=placement.allocation_id,
        pool=placement.pool,
        provider=placement.provider,
        slices=[_slice(node) for node in placement.slices],
    )


def _slice(node: NodeSlice) -> resource_pb2.NodeSlice:
    return resource_pb2.NodeSlice(
        node_id=node.node_id,
        node=node.node,
        gpu_type=node.gpu_type,
        devices=[
            resource_pb2.DeviceSlice(index=device.index, milli_gpu=device.milli_gpu)
            for device in node.devices
        ],
        vcpus=node.vcpus,
        memory_gb=node.memory_gb,
    )


def _failure(failure: Failure) -> run_pb2.Failure:
    return run_pb2.Failure(
        fault=run_pb2.FaultParty.Value(f"FAULT_PARTY_{failure.fault}"),
        reason=run_pb2.FailureReason.Value(f"FAILURE_REASON_{failure.reason}"),
        message=failure.message,
        exit_code=failure.exit_code,
    )
