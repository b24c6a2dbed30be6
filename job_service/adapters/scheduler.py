"""The scheduler over gRPC: runs go out as workloads, its events come in as reports."""

import asyncio
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
from job_service.adapters.outlooks import money_of, offers_of, outlook_of
from job_service.adapters.workloads import write_queued, write_workload
from job_service.application.ports import QueuedRun
from job_service.domain.job import Job
from job_service.domain.offers import Offers
from job_service.domain.output import OutputLine
from job_service.domain.quotes import Outlook
from job_service.domain.reports import Report, ReportKind
from job_service.domain.runs import DeviceSlice, NodeSlice, Placement
from job_service.domain.states import JobState
from job_service.domain.waiting import Waiting
from servicekit.wellknown import moment

CALL_WORKLOADS = 1000
QUOTES_AT_ONCE = 1
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
        # A quote of a long queue takes the scheduler a second in which it does nothing else.
        self._quoting = asyncio.Semaphore(QUOTES_AT_ONCE)

    async def enqueue(self, runs: Sequence[QueuedRun]) -> list[Report]:
        """Hands runs over, as many in one call as a message holds."""
        refused: list[Report] = []
        for part, request in _requests(runs):
            answer = await self._scheduler.BatchEnqueueWorkloads(request)
            refused += [
                Report(
                    ReportKind.REFUSED,
                    run.job.id,
                    result.workload_id,
                    run.job.updated_at,
                    message=result.message,
                )
                for run, result in zip(part, answer.results, strict=True)
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

    async def offers(self) -> Offers:
        """What all pools have to offer."""
        request = inventory_service_pb2.ListPoolsRequest()
        return offers_of(await self._inventory.ListPools(request))

    async def quote(self, job: Job) -> Outlook:
        """What would become of a run of a job: of the one that waits in the queue, or of a new."""
        request = scheduler_service_pb2.QuoteWorkloadRequest()
        write_workload(request.workload, job)
        if job.run and job.state is JobState.QUEUED and job.held_until is None:
            request.workload.id = job.run.id
        async with self._quoting:
            return outlook_of(await self._scheduler.QuoteWorkload(request))

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


_Enqueue: TypeAlias = scheduler_service_pb2.BatchEnqueueWorkloadsRequest


def _requests(runs: Sequence[QueuedRun]) -> Iterator[tuple[list[QueuedRun], _Enqueue]]:
    """Runs in parts that fit into one call, by number and by size, each with its request."""
    part, request, size = list[QueuedRun](), _Enqueue(), 0
    for run in runs:
        workload = request.workloads.add()
        write_queued(workload, run)
        part.append(run)
        size += workload.ByteSize()
        if len(part) == CALL_WORKLOADS or size >= CALL_BYTES:
            yield part, request
            part, request, size = [], _Enqueue(), 0
    if part:
        yield part, request


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
        money_of(event, "cost"),
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
