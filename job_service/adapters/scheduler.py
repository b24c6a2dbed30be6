"""The scheduler over gRPC: runs go out as workloads, its events come in as reports."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TypeAlias

import grpc

from gpuaas.scheduler.v1 import (
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    resource_pb2,
    scheduler_service_pb2,
    scheduler_service_pb2_grpc,
    workload_pb2,
)
from job_service.adapters.explanations import explained, output_lines
from job_service.application.ports import QueuedRun
from job_service.domain.job import Job
from job_service.domain.output import OutputLine
from job_service.domain.reports import Report, ReportKind
from job_service.domain.runs import DeviceSlice, NodeSlice, Placement
from job_service.domain.spec import JobSpec
from job_service.domain.waiting import Waiting
from servicekit.wellknown import duration, moment

CALL_WORKLOADS = 1000
ARRAY_INDEX = "GPUAAS_ARRAY_INDEX"
CALL_BYTES = 2 * 1024 * 1024

_EVENT = workload_pb2.WorkloadEvent
_KINDS = {
    _EVENT.KIND_STARTED: ReportKind.STARTED,
    _EVENT.KIND_REFUSED: ReportKind.REFUSED,
    _EVENT.KIND_CANCELLED: ReportKind.CANCELLED,
    _EVENT.KIND_PREEMPTED: ReportKind.PREEMPTED,
}
_RESULT = scheduler_service_pb2.EnqueueResult
_TAKEN = frozenset({_RESULT.KIND_ACCEPTED, _RESULT.KIND_ALREADY_KNOWN})
_OUTCOMES = {
    workload_pb2.Outcome.KIND_SUCCEEDED: ReportKind.SUCCEEDED,
    workload_pb2.Outcome.KIND_USER_FAILED: ReportKind.USER_FAILED,
    workload_pb2.Outcome.KIND_PLATFORM_FAILED: ReportKind.PLATFORM_FAILED,
    workload_pb2.Outcome.KIND_TIMED_OUT: ReportKind.TIMED_OUT,
}


class GrpcScheduler:
    """Calls the scheduler with this service's own identity."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._scheduler = scheduler_service_pb2_grpc.SchedulerServiceStub(channel)
        self._inventory = inventory_service_pb2_grpc.InventoryServiceStub(channel)

    async def enqueue(self, runs: Sequence[QueuedRun]) -> list[Report]:
        """Hands runs over, as many in one call as a message holds."""
        refused: list[Report] = []
        for part in _parts([(run, _workload(run)) for run in runs]):
            request = scheduler_service_pb2.BatchEnqueueWorkloadsRequest(
                workloads=[workload for _, workload in part]
            )
            answer = await self._scheduler.BatchEnqueueWorkloads(request)
            refused += [
                Report(
                    ReportKind.REFUSED,
                    run.job.id,
                    result.workload_id,
                    run.job.updated_at,
                    message=result.message,
                )
                for (run, _), result in zip(part, answer.results, strict=True)
                if result.kind not in _TAKEN
            ]
        return refused

    async def cancel(self, run_ids: Sequence[str]) -> None:
        """Stops runs in one call."""
        request = scheduler_service_pb2.BatchCancelWorkloadsRequest(
            workload_ids=run_ids, reason="job cancelled"
        )
        await self._scheduler.BatchCancelWorkloads(request)

    async def watch(self, position: str) -> AsyncIterator[tuple[list[Report], str]]:
        """Reports as the scheduler streams them.

        An event that says nothing about a job's state is left out.
        """
        request = scheduler_service_pb2.WatchEventsRequest(resume_token=position)
        async for message in self._scheduler.WatchEvents(request):
            reports = [report for event in message.events if (report := _report(event))]
            yield reports, message.resume_token

    async def gpu_types(self) -> frozenset[str]:
        """The device types of all pools."""
        pools = await self._inventory.ListPools(inventory_service_pb2.ListPoolsRequest())
        return frozenset(device.gpu_type for pool in pools.pools for device in pool.devices)

    async def explain(self, run_ids: Sequence[str]) -> dict[str, Waiting]:
        """Why these runs wait, as many in one call as it takes."""
        found: dict[str, Waiting] = {}
        for start in range(0, len(run_ids), CALL_WORKLOADS):
            request = scheduler_service_pb2.BatchExplainWorkloadsRequest(
                workload_ids=run_ids[start : start + CALL_WORKLOADS]
            )
            answer = await self._scheduler.BatchExplainWorkloads(request)
            found |= explained(answer.explanations)
        return found

    async def output(
        self, run_id: str, offset: int, tail_lines: int, *, follow: bool
    ) -> AsyncIterator[tuple[list[OutputLine], int]]:
        """Lines of a run's output as its backend gives them."""
        request = scheduler_service_pb2.StreamWorkloadLogsRequest(
            workload_id=run_id, offset=offset, tail_lines=tail_lines, follow=follow
        )
        async for message in self._scheduler.StreamWorkloadLogs(request):
            yield output_lines(message.lines), message.next_offset


_Part: TypeAlias = list[tuple[QueuedRun, workload_pb2.Workload]]


def _parts(runs: _Part) -> Iterator[_Part]:
    """Parts that fit into one call, by number and by size."""
    part: _Part = []
    size = 0
    for queued, workload in runs:
        part.append((queued, workload))
        size += workload.ByteSize()
        if len(part) == CALL_WORKLOADS or size >= CALL_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _workload(queued: QueuedRun) -> workload_pb2.Workload:
    job, run, spec = queued.job, queued.run, queued.job.spec
    return workload_pb2.Workload(
        id=run.id,
        job_id=job.id,
        owner_id=job.owner.id,
        team=job.owner.team,
        resources=_resources(spec),
        pool=spec.pool,
        provider=spec.provider,
        strategy=resource_pb2.Strategy.Value(f"STRATEGY_{spec.strategy or 'UNSPECIFIED'}"),
        priority_class=resource_pb2.PriorityClass.Value(f"PRIORITY_CLASS_{spec.priority_class}"),
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=duration(spec.estimated_duration),
        max_runtime=duration(spec.max_runtime),
        simulation=_simulation(spec),
        traceparent=queued.traceparent,
        name=spec.name,
        command=spec.command,
        args=spec.args,
        image=spec.image,
        environment=_environment(job),
        attempt=run.attempt,
    )


def _resources(spec: JobSpec) -> resource_pb2.ResourceSpec:
    wanted = spec.resources
    return resource_pb2.ResourceSpec(
        resource_type=resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{wanted.resource_type}"),
        gpu_type=wanted.gpu_type,
        count=wanted.count,
        milli_gpu_per_device=wanted.milli_gpu_per_device,
        memory_gb=wanted.memory_gb,
        vcpus=wanted.vcpus,
        nodes=wanted.nodes,
        alternative_gpu_types=wanted.alternative_gpu_types,
        device_memory_gb=wanted.device_memory_gb,
        node_labels=wanted.node_labels,
    )


def _environment(job: Job) -> dict[str, str]:
    """The run's variables; in an array, which of its jobs it belongs to."""
    if not job.array_id:
        return job.spec.environment
    return {**job.spec.environment, ARRAY_INDEX: str(job.array_index)}


def _simulation(spec: JobSpec) -> workload_pb2.Simulation | None:
    if spec.simulation is None:
        return None
    length = spec.simulation.duration
    return workload_pb2.Simulation(
        duration=None if length is None else duration(length), exit_code=spec.simulation.exit_code
    )


def _report(event: workload_pb2.WorkloadEvent) -> Report | None:
    kind = (
        _OUTCOMES[event.outcome.kind]
        if event.kind == _EVENT.KIND_FINISHED
        else _KINDS.get(event.kind)
    )
    if kind is None:
        return None
    return Report(
        kind,
        event.job_id,
        event.workload_id,
        moment(event.time),
        _placement(event.placement) if kind is ReportKind.STARTED else None,
        event.outcome.exit_code,
        event.outcome.message or event.message,
        event.used_milli_gpu_seconds,
        event.preemption_cause == workload_pb2.PREEMPTION_CAUSE_NODE_LOST,
    )


def _placement(placement: resource_pb2.Placement) -> Placement:
    return Placement(
        placement.allocation_id,
        placement.pool,
        placement.provider,
        tuple(
            NodeSlice(
                node.node_id,
                node.node,
                node.gpu_type,
                tuple(DeviceSlice(device.index, device.milli_gpu) for device in node.devices),
                node.vcpus,
                node.memory_gb,
            )
            for node in placement.slices
        ),
    )
