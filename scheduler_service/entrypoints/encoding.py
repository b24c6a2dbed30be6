"""What the domain knows, as messages of the contract."""

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gpuaas.api.v1 import money_pb2
from gpuaas.scheduler.v1 import (
    resource_pb2,
    scheduler_service_pb2,
    workload_pb2,
)
from scheduler_service.application.commands import CancelKind, CancelResult, Enqueued
from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Demand, NodeSlice, Placement
from scheduler_service.domain.workload import Workload
from servicekit.errors import Failure
from servicekit.wellknown import duration, timestamp_or_none

EnqueueResult = scheduler_service_pb2.EnqueueResult
CancelWorkloadResult = scheduler_service_pb2.CancelWorkloadResult

_CANCEL_KINDS = {
    CancelKind.CANCELLED: CancelWorkloadResult.KIND_CANCELLED,
    CancelKind.ALREADY_ENDED: CancelWorkloadResult.KIND_ALREADY_ENDED,
    CancelKind.NOT_FOUND: CancelWorkloadResult.KIND_NOT_FOUND,
}
_OUTCOME_KINDS = {
    kind: workload_pb2.Outcome.Kind.Value(f"KIND_{kind.name}") for kind in OutcomeKind
}


def enqueue_response(enqueued: Enqueued) -> scheduler_service_pb2.EnqueueWorkloadResponse:
    """Encodes one answer; raises the failure that it stands for, if any."""
    if enqueued.failure is not None:
        raise enqueued.failure
    return scheduler_service_pb2.EnqueueWorkloadResponse(
        workload=workload(enqueued.workload), already_known=enqueued.known
    )


def enqueue_result(enqueued: Enqueued) -> EnqueueResult:
    """Encodes one answer of a batch."""
    workload_id = enqueued.workload.spec.id
    if enqueued.failure is not None:
        return invalid_result(workload_id, enqueued.failure)
    kind = EnqueueResult.KIND_ALREADY_KNOWN if enqueued.known else EnqueueResult.KIND_ACCEPTED
    return EnqueueResult(workload_id=workload_id, kind=kind)


def invalid_result(workload_id: str, failure: Failure) -> EnqueueResult:
    """Encodes why one item of a batch is not acceptable."""
    return EnqueueResult(
        workload_id=workload_id,
        kind=EnqueueResult.KIND_INVALID,
        reason=failure.reason,
        message=failure.message,
    )


def cancel_response(
    results: Sequence[CancelResult],
) -> scheduler_service_pb2.CancelWorkloadResponse:
    """Encodes the answer for one workload."""
    return scheduler_service_pb2.CancelWorkloadResponse(result=_cancel_result(results[0]))


def batch_cancel_response(
    results: Sequence[CancelResult],
) -> scheduler_service_pb2.BatchCancelWorkloadsResponse:
    """Encodes the answers for many workloads."""
    return scheduler_service_pb2.BatchCancelWorkloadsResponse(
        results=[_cancel_result(result) for result in results]
    )


def workload(it: Workload) -> workload_pb2.Workload:
    """Encodes a workload as it stands."""
    spec, program = it.spec, it.program
    message = workload_pb2.Workload(
        id=spec.id,
        job_id=spec.job_id,
        owner_id=spec.owner_id,
        team=spec.team,
        resources=resources(spec.demand),
        pool=spec.pool,
        provider=spec.provider,
        strategy=resource_pb2.Strategy.Value(f"STRATEGY_{spec.strategy.name}"),
        priority_class=resource_pb2.PriorityClass.Value(
            f"PRIORITY_CLASS_{spec.priority_class.name}"
        ),
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=_span(spec.estimated_duration),
        max_runtime=_span(spec.max_runtime),
        simulation=workload_pb2.Simulation(
            duration=_span(it.simulation.duration), exit_code=it.simulation.exit_code
        ),
        traceparent=it.traceparent,
        name=spec.name,
        command=program.command,
        args=program.args,
        image=program.image,
        environment=dict(program.environment),
        attempt=spec.attempt,
        state=workload_pb2.WorkloadState.Value(f"WORKLOAD_STATE_{it.state.name}"),
        enqueue_time=timestamp_or_none(it.enqueued_at),
        start_time=timestamp_or_none(it.started_at),
        end_time=timestamp_or_none(it.ended_at),
    )
    if it.placement is not None:
        write_placement(message.placement, it.placement, it.allocation_id)
    if it.outcome is not None:
        write_outcome(message.outcome, it.outcome)
    for field, amount in (
        (message.hourly_price_limit, spec.hourly_price_limit),
        (message.hourly_price, it.hourly_price),
        (message.cost, it.cost),
    ):
        write_money(field, amount)
    return message


def write_money(message: money_pb2.Money, amount: Money | None) -> None:
    """An amount of money in place; one that is not known leaves the field unset."""
    if amount is not None:
        message.micros, message.currency_code = amount.micros, amount.currency


def write_placement(message: resource_pb2.Placement, it: Placement, allocation_id: str) -> None:
    """Where a run was put, in place."""
    message.allocation_id = allocation_id
    message.pool = it.pool
    message.provider = it.provider
    for part in it.slices:
        _write_slice(message.slices.add(), part)


def placement(it: Placement, allocation_id: str) -> resource_pb2.Placement:
    """Encodes where a run was put."""
    message = resource_pb2.Placement()
    write_placement(message, it, allocation_id)
    return message


def write_outcome(message: workload_pb2.Outcome, it: Outcome) -> None:
    """How a run ended, in place."""
    message.kind = _OUTCOME_KINDS[it.kind]
    message.exit_code = it.exit_code
    message.message = it.message


def write_moment(message: Timestamp, micros: int) -> None:
    """Microseconds since 1970, in place."""
    message.seconds, rest = divmod(micros, 1_000_000)
    message.nanos = rest * 1000


def resources(demand: Demand) -> resource_pb2.ResourceSpec:
    """Encodes what is asked for."""
    return resource_pb2.ResourceSpec(
        resource_type=resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{demand.resource_type.name}"),
        gpu_type=demand.gpu_type,
        count=demand.count,
        milli_gpu_per_device=demand.milli_per_device,
        memory_gb=demand.memory_gb,
        vcpus=demand.vcpus,
        nodes=demand.nodes,
        alternative_gpu_types=demand.alternative_gpu_types,
        device_memory_gb=demand.device_memory_gb,
        node_labels=dict(demand.node_labels),
    )


def _write_slice(message: resource_pb2.NodeSlice, part: NodeSlice) -> None:
    message.node_id = part.node_id
    message.node = part.node
    message.gpu_type = part.gpu_type
    for device in part.devices:
        message.devices.add(index=device.index, milli_gpu=device.milli_gpu)
    message.vcpus = part.vcpus
    message.memory_gb = part.memory_gb


def _cancel_result(result: CancelResult) -> CancelWorkloadResult:
    return CancelWorkloadResult(workload_id=result.workload_id, kind=_CANCEL_KINDS[result.kind])


def _span(span: timedelta | None) -> Duration | None:
    return None if span is None else duration(span)
