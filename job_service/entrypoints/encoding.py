"""From jobs and quota to the contract's messages."""

from datetime import timedelta

from gpuaas.job.v1 import job_event_pb2, job_pb2, job_service_pb2, quota_pb2, run_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
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
from job_service.domain.ledger import MOVES, Account, Entry
from job_service.domain.quantity import gpu_hours, period_end, period_start
from job_service.domain.spec import JobSpec, PriorityClass, ResourceSpec, ResourceType, Simulation
from servicekit.errors import Failure as Refusal
from servicekit.wellknown import duration, timestamp, timestamp_or_none

_STATES = {state: job_pb2.JobState.Value(f"JOB_STATE_{state}") for state in JobState}
_RUN_STATES = {state: run_pb2.RunState.Value(f"RUN_STATE_{state}") for state in RunState}
_EVENT_KINDS = {kind: job_event_pb2.JobEvent.Kind.Value(f"KIND_{kind}") for kind in EventKind}
_RESOURCE_TYPES = {
    kind: resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{kind}") for kind in ResourceType
}
_PRIORITY_CLASSES = {
    rank: resource_pb2.PriorityClass.Value(f"PRIORITY_CLASS_{rank}") for rank in PriorityClass
}


def job_message(job: Job) -> job_pb2.Job:
    """A job."""
    return job_pb2.Job(
        id=job.id,
        owner_id=job.owner.id,
        owner=job.owner.name,
        team=job.owner.team,
        spec=spec_message(job.spec),
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


def batch_response(results: list[Job | Refusal]) -> job_service_pb2.BatchSubmitJobsResponse:
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


def event_message(
    event: JobEvent, revision: int, event_id: str, resume_token: str
) -> job_event_pb2.JobEvent:
    """An event of a job."""
    return job_event_pb2.JobEvent(
        revision=revision,
        id=event_id,
        kind=_EVENT_KINDS[event.kind],
        time=timestamp(event.at),
        actor=event.actor,
        reason=event.reason,
        job=job_message(event.job),
        resume_token=resume_token,
        previous_state=_STATES[event.previous_state]
        if event.previous_state
        else job_pb2.JOB_STATE_UNSPECIFIED,
        run_id=event.job.run.id if event.job.run else "",
    )


def quota_message(account: Account, owner: str) -> quota_pb2.Quota:
    """A user's quota in a month, in milli-GPU-seconds and in GPU-hours."""
    return quota_pb2.Quota(
        owner_id=account.owner_id,
        owner=owner,
        period_start=timestamp(period_start(account.period)),
        period_end=timestamp(period_end(account.period)),
        limit_milli_gpu_seconds=account.limit,
        granted_milli_gpu_seconds=account.granted,
        reserved_milli_gpu_seconds=account.reserved,
        used_milli_gpu_seconds=account.used,
        left_milli_gpu_seconds=account.available,
        reserved_total_milli_gpu_seconds=account.reserved_total,
        settled_total_milli_gpu_seconds=account.used,
        refunded_total_milli_gpu_seconds=account.refunded_total,
        limit_gpu_hours=gpu_hours(account.limit),
        granted_gpu_hours=gpu_hours(account.granted),
        reserved_gpu_hours=gpu_hours(account.reserved),
        used_gpu_hours=gpu_hours(account.used),
        left_gpu_hours=gpu_hours(account.available),
        is_default=True,
    )


def entry_message(entry: Entry) -> quota_pb2.LedgerEntry:
    """One line of a statement."""
    source, target = MOVES[entry.kind]
    return quota_pb2.LedgerEntry(
        id=entry.id,
        sequence=entry.sequence,
        time=timestamp(entry.at),
        period_start=timestamp(period_start(entry.period)),
        owner_id=entry.owner_id,
        kind=quota_pb2.LedgerEntry.Kind.Value(f"KIND_{entry.kind}"),
        from_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{source}"),
        to_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{target}"),
        amount_milli_gpu_seconds=entry.amount,
        left_milli_gpu_seconds=entry.left,
        job_id=entry.job_id,
        actor=entry.actor,
        reason=entry.reason,
        amount_gpu_hours=gpu_hours(entry.amount),
    )


def spec_message(spec: JobSpec) -> job_pb2.JobSpec:
    """What was asked for."""
    return job_pb2.JobSpec(
        name=spec.name,
        command=spec.command,
        args=spec.args,
        image=spec.image,
        environment=spec.environment,
        resources=resources_message(spec.resources),
        pool=spec.pool,
        provider=spec.provider,
        strategy=_strategy(spec),
        priority_class=_PRIORITY_CLASSES[spec.priority_class],
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=duration(spec.estimated_duration),
        max_runtime=duration(spec.max_runtime),
        labels=spec.labels,
        simulation=_simulation(spec.simulation) if spec.simulation else None,
    )


def resources_message(resources: ResourceSpec) -> resource_pb2.ResourceSpec:
    """Devices, cores and memory."""
    return resource_pb2.ResourceSpec(
        resource_type=_RESOURCE_TYPES[resources.resource_type],
        gpu_type=resources.gpu_type,
        count=resources.count,
        milli_gpu_per_device=resources.milli_gpu_per_device,
        memory_gb=resources.memory_gb,
        vcpus=resources.vcpus,
        nodes=resources.nodes,
        alternative_gpu_types=resources.alternative_gpu_types,
        device_memory_gb=resources.device_memory_gb,
        node_labels=resources.node_labels,
    )


def _simulation(simulation: Simulation) -> workload_pb2.Simulation:
    length = duration(simulation.duration) if simulation.duration is not None else None
    return workload_pb2.Simulation(duration=length, exit_code=simulation.exit_code)


def _strategy(spec: JobSpec) -> resource_pb2.Strategy.ValueType:
    return resource_pb2.Strategy.Value(f"STRATEGY_{spec.strategy or 'UNSPECIFIED'}")


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


_SUBMITTED = {
    JobState.PENDING: "Waits for an admin's approval.",
    JobState.APPROVED: "Approved; waits to be started.",
    JobState.QUEUED: "Approved and queued.",
}
_WAITING = {
    JobState.PENDING: (job_pb2.WaitingReason.KIND_APPROVAL, "Waits for an admin's approval."),
    JobState.APPROVED: (
        job_pb2.WaitingReason.KIND_HELD,
        "Approved; waits for an admin to start it.",
    ),
    JobState.QUEUED: (job_pb2.WaitingReason.KIND_RESOURCES, "Waits for free devices."),
}


def _waiting(job: Job) -> job_pb2.WaitingReason | None:
    if job.state not in _WAITING:
        return None
    kind, message = _WAITING[job.state]
    return job_pb2.WaitingReason(kind=kind, message=message)


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


def _item_error(refusal: Refusal) -> job_service_pb2.ItemError:
    return job_service_pb2.ItemError(
        code=refusal.kind.value,
        reason=refusal.reason,
        message=refusal.message,
        metadata=refusal.metadata,
    )
