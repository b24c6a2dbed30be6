"""A scheduler that does only what the test says, behind a true gRPC server.

It keeps what it was told and what it tells; it decides nothing and nothing happens by itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import grpc

from gpuaas.scheduler.v1 import (
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    resource_pb2,
    scheduler_service_pb2_grpc,
    workload_pb2,
)
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from servicekit.clock import SystemClock
from servicekit.wellknown import timestamp

Kind = workload_pb2.WorkloadEvent
Outcome = workload_pb2.Outcome
GPU_TYPES = ("A100", "T4")


class SchedulerDouble:
    """Knows A100s and T4s.

    Attributes:
        enqueued: the workloads of each BatchEnqueueWorkloads, in order.
        cancelled: the ids of all BatchCancelWorkloads.
        refused: names of workloads that are not accepted, and why.
        refusal: how it says so.
        repeats: whether a stream begins at the start of the log, whatever its token says.
        watched_from: the token of each WatchEvents.
        callers: the authorization of every call.
        explanations: what it says of waiting workloads, by their ids.
        explained: the ids of each BatchExplainWorkloads.
        prices: what an hour costs, in millionths of a dollar; other devices have no price.
        quote: what it answers to every QuoteWorkload, whose workloads are ``quoted``.
        lines: the output of workloads, by their ids; those without are not known.
    """

    def __init__(self) -> None:
        self.enqueued: list[list[workload_pb2.Workload]] = []
        self.cancelled: list[str] = []
        self.refused: dict[str, str] = {}
        self.refusal: pb.EnqueueResult.Kind.ValueType = pb.EnqueueResult.KIND_INVALID
        self.repeats = False
        self.watched_from: list[str] = []
        self.callers: set[str] = set()
        self.explanations: dict[str, pb.Explanation] = {}
        self.explained: list[list[str]] = []
        self.lines: dict[str, list[str]] = {}
        self.prices: dict[str, int] = {"A100": 2_500_000}
        self.quote = pb.QuoteWorkloadResponse(verdict=pb.QuoteWorkloadResponse.VERDICT_STARTS_NOW)
        self.quoted: list[workload_pb2.Workload] = []
        self.events: list[workload_pb2.WorkloadEvent] = []
        self._changed = asyncio.Condition()
        self._port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        """Where it answers while it is up, always the same."""
        return f"127.0.0.1:{self._port}"

    @property
    def ids(self) -> Counter[str]:
        """How often each workload was enqueued."""
        return Counter(workload.id for batch in self.enqueued for workload in batch)

    @property
    def by_job(self) -> dict[str, workload_pb2.Workload]:
        """The workload of each job."""
        return {workload.job_id: workload for batch in self.enqueued for workload in batch}

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Starts answering, at the address that it had before."""
        self._server = grpc.aio.server()
        api: Any = _Api(self)
        scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server(api, self._server)
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(api, self._server)
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        await self._server.start()

    async def down(self) -> None:
        """Stops answering; what it knows stays."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until what was told to the double fulfils a condition."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)

    async def tell(self, *events: workload_pb2.WorkloadEvent) -> None:
        """Adds events to the log; whoever watches gets them in one message."""
        for event in events:
            event.revision = len(self.events) + 1
            event.resume_token = str(event.revision)
            self.events.append(event)
        await self.changed()

    async def changed(self) -> None:
        """Wakes whoever waits."""
        async with self._changed:
            self._changed.notify_all()

    async def next_events(self, after: int) -> list[workload_pb2.WorkloadEvent]:
        """What comes after a revision, as soon as there is something."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.events) > after)
        return self.events[after:]


class _Api:
    """What the job service calls."""

    def __init__(self, double: SchedulerDouble) -> None:
        self._double = double

    def __getattr__(self, name: str) -> Any:
        """Every other method of the contract: nothing here calls it."""
        return None

    async def BatchEnqueueWorkloads(
        self, request: pb.BatchEnqueueWorkloadsRequest, context: Any
    ) -> pb.BatchEnqueueWorkloadsResponse:
        known = self._double.ids
        self._double.enqueued.append(list(request.workloads))
        await self._note(context)
        results = [self._result(workload, known) for workload in request.workloads]
        return pb.BatchEnqueueWorkloadsResponse(results=results)

    async def BatchCancelWorkloads(
        self, request: pb.BatchCancelWorkloadsRequest, context: Any
    ) -> pb.BatchCancelWorkloadsResponse:
        self._double.cancelled += request.workload_ids
        await self._note(context)
        cancelled = pb.CancelWorkloadResult.KIND_CANCELLED
        results = [
            pb.CancelWorkloadResult(workload_id=workload_id, kind=cancelled)
            for workload_id in request.workload_ids
        ]
        return pb.BatchCancelWorkloadsResponse(results=results)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Any
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        self._double.watched_from.append(request.resume_token)
        await self._note(context)
        after = 0 if self._double.repeats else int(request.resume_token or 0)
        while True:
            events = await self._double.next_events(after)
            after = events[-1].revision
            yield pb.WatchEventsResponse(events=events, resume_token=events[-1].resume_token)

    async def BatchExplainWorkloads(
        self, request: pb.BatchExplainWorkloadsRequest, context: Any
    ) -> pb.BatchExplainWorkloadsResponse:
        self._double.explained.append(list(request.workload_ids))
        known = self._double.explanations
        found = [known[each] for each in request.workload_ids if each in known]
        return pb.BatchExplainWorkloadsResponse(explanations=found)

    async def StreamWorkloadLogs(
        self, request: pb.StreamWorkloadLogsRequest, context: Any
    ) -> AsyncIterator[pb.StreamWorkloadLogsResponse]:
        lines = self._double.lines.get(request.workload_id)
        if lines is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such workload")
            return
        start = max(0, len(lines) - request.tail_lines) if request.tail_lines else request.offset
        for offset in range(start, len(lines)):
            response = pb.StreamWorkloadLogsResponse(next_offset=offset + 1)
            source = pb.WorkloadLogLine.SOURCE_STDOUT
            response.lines.add(offset=offset, text=lines[offset], source=source)
            yield response

    async def ListPools(
        self, request: inventory_service_pb2.ListPoolsRequest, context: Any
    ) -> inventory_service_pb2.ListPoolsResponse:
        await self._note(context)
        response = inventory_service_pb2.ListPoolsResponse()
        devices = response.pools.add(name="training").devices
        response.pools[0].providers.extend(("local", "runpod"))
        for gpu_type in GPU_TYPES:
            offer = devices.add(gpu_type=gpu_type).offers.add(provider="local")
            if micros := self._double.prices.get(gpu_type):
                offer.hourly_price.micros = micros
                offer.hourly_price.currency_code = "USD"
        return response

    async def QuoteWorkload(
        self, request: pb.QuoteWorkloadRequest, context: Any
    ) -> pb.QuoteWorkloadResponse:
        self._double.quoted.append(request.workload)
        await self._note(context)
        return self._double.quote

    async def _note(self, context: Any) -> None:
        self._double.callers.add(dict(context.invocation_metadata()).get("authorization", ""))
        await self._double.changed()

    def _result(self, workload: workload_pb2.Workload, known: Counter[str]) -> pb.EnqueueResult:
        result = pb.EnqueueResult(workload_id=workload.id, kind=pb.EnqueueResult.KIND_ACCEPTED)
        if workload.name in self._double.refused:
            result.kind = self._double.refusal
            result.message = self._double.refused[workload.name]
        elif known[workload.id]:
            result.kind = pb.EnqueueResult.KIND_ALREADY_KNOWN
        return result


def event_of(
    workload: workload_pb2.Workload, kind: Kind.Kind.ValueType, **fields: Any
) -> workload_pb2.WorkloadEvent:
    """An event of a workload, just now."""
    return workload_pb2.WorkloadEvent(
        workload_id=workload.id,
        job_id=workload.job_id,
        kind=kind,
        time=timestamp(SystemClock().now()),
        **fields,
    )


def started(workload: workload_pb2.Workload) -> workload_pb2.WorkloadEvent:
    """It runs, on the third device of a node."""
    node = resource_pb2.NodeSlice(node_id="n1", node="node-1", gpu_type="A100")
    node.devices.add(index=2, milli_gpu=1000)
    place = resource_pb2.Placement(allocation_id="a1", pool="training", provider="local")
    place.slices.append(node)
    return event_of(workload, Kind.KIND_STARTED, placement=place)


def finished(
    workload: workload_pb2.Workload,
    used: int,
    kind: Outcome.Kind.ValueType = Outcome.KIND_SUCCEEDED,
    exit_code: int = 0,
) -> workload_pb2.WorkloadEvent:
    """It ended, having used so many milli-GPU-seconds."""
    outcome = Outcome(kind=kind, exit_code=exit_code)
    return event_of(workload, Kind.KIND_FINISHED, outcome=outcome, used_milli_gpu_seconds=used)


def preempted(workload: workload_pb2.Workload, used: int = 0) -> workload_pb2.WorkloadEvent:
    """It lost its place to another."""
    return event_of(
        workload,
        Kind.KIND_PREEMPTED,
        used_milli_gpu_seconds=used,
        message="for a job of HIGH",
        preemption_cause=workload_pb2.PREEMPTION_CAUSE_PRIORITY,
    )
