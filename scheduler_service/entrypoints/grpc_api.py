"""SchedulerService and InventoryService over gRPC: decode, call, encode.

What is not here answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from gpuaas.scheduler.v1 import inventory_service_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1.inventory_service_pb2_grpc import InventoryServiceServicer
from gpuaas.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceServicer
from scheduler_service.application import queries
from scheduler_service.application.commands import CancelWorkloads, EnqueueWorkloads
from scheduler_service.application.ports import Backend, Foresight, History, Reader
from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.workload import Workload
from scheduler_service.entrypoints import answers, decoding, encoding, inventory
from scheduler_service.entrypoints.output import output
from scheduler_service.entrypoints.watch import EventFeed
from servicekit.call import current_call
from servicekit.clock import Clock
from servicekit.errors import InvalidArgument
from servicekit.idempotency import Idempotent
from servicekit.tokens import encode_page_token
from servicekit.wire import Encoded
from servicekit.writer import Writer

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, eq=False)
class SchedulerApi(SchedulerServiceServicer):
    """Serves SchedulerService; the contract in `protos` says what each method promises."""

    writer: Writer[Any]
    once: Idempotent[Any]
    reader: Reader
    backend: Backend
    feed: EventFeed
    foresight: Foresight
    history: History | None
    clock: Clock

    async def EnqueueWorkload(
        self, request: pb.EnqueueWorkloadRequest, context: Context
    ) -> pb.EnqueueWorkloadResponse:
        """Accepts one workload into the queue."""
        now = self.clock.now()
        workload = decoding.workload(request.workload, now, current_call().traceparent)
        enqueued = await self.writer.execute(EnqueueWorkloads([workload], now))
        return encoding.enqueue_response(enqueued[0])

    async def BatchEnqueueWorkloads(
        self, request: pb.BatchEnqueueWorkloadsRequest, context: Context
    ) -> pb.BatchEnqueueWorkloadsResponse:
        """Accepts many workloads, each with an answer of its own."""
        decoding.count_of_items("workloads", len(request.workloads))
        now, traceparent = self.clock.now(), current_call().traceparent
        results: list[pb.EnqueueResult | None] = []
        accepted: list[Workload] = []
        for message in request.workloads:
            try:
                accepted.append(decoding.workload(message, now, traceparent))
                results.append(None)
            except InvalidArgument as failure:
                results.append(encoding.invalid_result(message.id, failure))
        answers = iter(await self.writer.execute(EnqueueWorkloads(accepted, now)))
        return pb.BatchEnqueueWorkloadsResponse(
            results=[result or encoding.enqueue_result(next(answers)) for result in results]
        )

    async def CancelWorkload(
        self, request: pb.CancelWorkloadRequest, context: Context
    ) -> pb.CancelWorkloadResponse:
        """Cancels one workload."""
        ids = [decoding.workload_id("workload_id", request.workload_id)]
        command = await self._cancellation(ids, decoding.reason(request.reason))
        return await self.once(
            request, command, encoding.cancel_response, pb.CancelWorkloadResponse
        )

    async def BatchCancelWorkloads(
        self, request: pb.BatchCancelWorkloadsRequest, context: Context
    ) -> pb.BatchCancelWorkloadsResponse:
        """Cancels many workloads, each with an answer of its own."""
        decoding.count_of_items("workload_ids", len(request.workload_ids))
        ids = [decoding.workload_id("workload_ids", each) for each in request.workload_ids]
        command = await self._cancellation(ids, decoding.reason(request.reason))
        return await self.once(
            request, command, encoding.batch_cancel_response, pb.BatchCancelWorkloadsResponse
        )

    async def WatchEvents(  # type: ignore[override]  # encoded already, for all who watch
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[Encoded]:
        """Streams the log."""
        wanted = frozenset(request.workload_ids)
        async for message in self.feed.messages(request.resume_token, wanted):
            yield message

    async def StreamWorkloadLogs(
        self, request: pb.StreamWorkloadLogsRequest, context: Context
    ) -> AsyncIterator[pb.StreamWorkloadLogsResponse]:
        """Streams the output of a workload."""
        workload_id = decoding.workload_id("workload_id", request.workload_id)
        async for message in output(self.reader, self.backend, workload_id, request):
            yield message

    async def GetWorkload(
        self, request: pb.GetWorkloadRequest, context: Context
    ) -> pb.GetWorkloadResponse:
        """Gets one workload."""
        workload_id = decoding.workload_id("workload_id", request.workload_id)
        workload = await queries.get_workload(self.reader, workload_id)
        return pb.GetWorkloadResponse(workload=encoding.workload(workload))

    async def ListWorkloads(
        self, request: pb.ListWorkloadsRequest, context: Context
    ) -> pb.ListWorkloadsResponse:
        """Lists workloads."""
        wanted = decoding.workload_filter(request)
        scope = decoding.page_scope(request)
        size = decoding.page_size(request.page_size)
        after = decoding.page_start(scope, request.page_token)
        page = await queries.list_workloads(self.reader, wanted, size, after)
        return pb.ListWorkloadsResponse(
            workloads=[encoding.workload(workload) for workload in page.workloads],
            next_page_token="" if page.last is None else encode_page_token(scope, [page.last]),
        )

    async def ExplainWorkload(
        self, request: pb.ExplainWorkloadRequest, context: Context
    ) -> pb.ExplainWorkloadResponse:
        """Explains why a workload waits."""
        workload_id = decoding.workload_id("workload_id", request.workload_id)
        at = decoding.moment(request, "at_time")
        if at is None:
            found = await queries.explain_workload(self.reader, self.foresight, workload_id)
        else:
            found = await queries.explain_past(self.reader, self.history, workload_id, at)
        now = at or self.clock.now()
        return pb.ExplainWorkloadResponse(explanation=answers.explanation(found, now))

    async def BatchExplainWorkloads(
        self, request: pb.BatchExplainWorkloadsRequest, context: Context
    ) -> pb.BatchExplainWorkloadsResponse:
        """Explains why many workloads wait."""
        decoding.count_of_items("workload_ids", len(request.workload_ids))
        ids = [decoding.workload_id("workload_ids", each) for each in request.workload_ids]
        found = await queries.explain_workloads(self.reader, self.foresight, ids)
        now = self.clock.now()
        return pb.BatchExplainWorkloadsResponse(
            explanations=[answers.explanation(each, now) for each in found]
        )

    async def QuoteWorkload(
        self, request: pb.QuoteWorkloadRequest, context: Context
    ) -> pb.QuoteWorkloadResponse:
        """Quotes a workload."""
        spec = decoding.quoted_spec(request.workload)
        return answers.quote_response(await self.foresight.quote(spec), self.clock.now())

    async def GetSchedulingMetrics(
        self, request: pb.GetSchedulingMetricsRequest, context: Context
    ) -> pb.GetSchedulingMetricsResponse:
        """Gets figures about the queue, the devices and the scheduler's speed."""
        load = await self.foresight.load(decoding.name("pool", request.pool))
        return answers.metrics_response(load, self.foresight.last_hour(), self.clock.now())

    async def Recommend(
        self, request: pb.RecommendRequest, context: Context
    ) -> pb.RecommendResponse:
        """Recommends a provider for each strategy."""
        spec = decoding.recommended_spec(request)
        return answers.recommend_response(await self.foresight.recommend(spec), spec)

    async def _cancellation(self, workload_ids: Sequence[str], reason: str) -> CancelWorkloads:
        """Measures what runs, so that the command needs nothing from outside its transaction."""
        running = await self.reader.running(workload_ids)
        ran = await self.backend.ran([workload.allocation_id for workload in running])
        return CancelWorkloads(workload_ids, reason, ran, self.clock.now())


@dataclass(frozen=True, eq=False)
class InventoryApi(InventoryServiceServicer):
    """Serves InventoryService."""

    reader: Reader
    foresight: Foresight
    prices: PriceList

    async def ListPools(
        self, request: inventory_service_pb2.ListPoolsRequest, context: Context
    ) -> inventory_service_pb2.ListPoolsResponse:
        """Lists the pools with what is free."""
        reports = await queries.list_pools(self.reader, self.foresight, request.environment)
        return inventory.list_pools_response(reports, self.prices)

    async def ListPrices(
        self, request: inventory_service_pb2.ListPricesRequest, context: Context
    ) -> inventory_service_pb2.ListPricesResponse:
        """Lists the prices; there are no others than those that hold now."""
        return inventory.list_prices_response(self.prices, request.provider, request.gpu_type)
