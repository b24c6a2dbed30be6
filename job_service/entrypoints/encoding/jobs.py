"""Jobs, their runs and their events."""

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
    JobState.PENDING: (job_pb2.WaitingReason.KIND_APPROVAL, "Waits for an admin's approval."),
    JobState.APPROVED: (
        job_pb2.WaitingReason.KIND_HELD,
        "Approved; waits for an admin to start it.",
    ),
    JobState.QUEUED: (job_pb2.WaitingReason.KIND_RESOURCES, "Waits for free devices."),
}


def job_message(job: Job, spec: job_pb2.JobSpec | None = None) -> job_pb2.Job:
    """A job; ``spec`` is its spec's message where that has been made before."""
    return job_pb2.Job(
        id=job.id,
        owner_id=job.owner.id,
        owner=job.owner.name,
        team=job.owner.team,
        spec=spec or spec_message(job.spec),
        state=_STATES[job.state],
        status=job.state.value,
        gpu_type=job.spec.resources.gpu_type,
        create_time=timestamp(job.created_at),
        update_time=timestamp(job.updated_at),
        approve_time=timestamp_or_none(job.approved_at),
        queue_time=timestamp_or_none(job.queued_at),
        start_time=timestamp_or_none(job.started_at),
        end_time=timestamp_or_none(job.ended_at),
        current_run=_run(job, job.run) if job.run else None,
        run_count=job.run_count,
        failure=_failure(job.failure) if job.failure else None,
        waiting=_waiting(job),
        reject_reason=job.reject_reason,
        approved_by=job.approved_by,
        reserved_milli_gpu_seconds=job.reserved,
        used_milli_gpu_seconds=job.used,
        version=job.changes,
        cancelled_by=job.cancelled_by,
        cancel_reason=job.cancel_reason,
        task_id=job.id,
        created_at=timestamp(job.created_at),
    )


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


def _waiting(job: Job) -> job_pb2.WaitingReason | None:
    if job.state not in _WAITING:
        return None
    kind, message = _WAITING[job.state]
    return job_pb2.WaitingReason(kind=kind, message=message)
