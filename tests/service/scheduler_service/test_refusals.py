"""Requests that are wrong, callers who may not, and what is not built."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest

from gpuaas.scheduler.v1 import (
    allocation_service_pb2,
    allocation_service_pb2_grpc,
    inventory_service_pb2,
    usage_service_pb2,
    usage_service_pb2_grpc,
    workload_pb2,
)
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from scheduler_service.entrypoints import decoding
from servicekit.errors import InvalidArgument, Kind
from servicekit.identity import Role
from servicekit.statuses import failure_from_rpc
from servicekit.tokens import encode_page_token
from tests.service.scheduler_service.conftest import House, workload

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("workload.id", {"id": ""}),
    ("workload.id", {"id": "a\0"}),
    ("workload.id", {"id": "x" * 129}),
    ("workload.job_id", {"job_id": "\0"}),
    ("workload.owner_id", {"owner_id": "x" * 257}),
    ("workload.pool", {"pool": "\n"}),
    ("workload.attempt", {"attempt": -1}),
    ("workload.priority", {"priority": 11}),
    ("workload.strategy", {"strategy": 99}),
    ("workload.priority_class", {"priority_class": -1}),
    ("workload.args", {"command": "a", "args": ["b"]}),
    ("workload.max_runtime", {"max_runtime": timedelta(seconds=-1)}),
    ("workload.estimated_duration", {"estimated_duration": timedelta(days=5000)}),
    ("workload.simulation.exit_code", {"simulation": {"exit_code": 256}}),
    ("workload.simulation.duration", {"simulation": {"duration": timedelta(seconds=-1)}}),
    ("workload.resources.resource_type", {"resources": {"resource_type": 9}}),
    ("workload.resources.count", {"resources": {"count": -1}}),
    ("workload.resources.nodes", {"resources": {"nodes": 10_001}}),
    ("workload.resources.memory_gb", {"resources": {"memory_gb": -1}}),
    ("workload.resources.vcpus", {"resources": {"vcpus": -1}}),
    ("workload.resources.milli_gpu_per_device", {"resources": {"milli_gpu_per_device": 1001}}),
    (
        "workload.resources.milli_gpu_per_device",
        {"resources": {"milli_gpu_per_device": 500, "count": 2}},
    ),
    ("workload", {"command": "x" * 70_000}),
    ("workload.hourly_price_limit.micros", {"hourly_price_limit": {"micros": -1}}),
    ("workload.hourly_price_limit.currency_code", {"hourly_price_limit": {"currency_code": "usd"}}),
]


def wrong(fields: dict[str, Any]) -> Any:
    """A workload with these fields, else good."""
    message = workload("a")
    message.MergeFrom(type(message)(**{key: it for key, it in fields.items() if key != "id"}))
    message.id = fields.get("id", message.id)
    return message


@pytest.mark.parametrize(("field", "fields"), WRONG)
async def test_a_wrong_workload_is_refused_by_field(
    house: House, field: str, fields: dict[str, Any]
) -> None:
    """Alone as an error, in a batch as an answer of its own; its neighbours are queued."""
    with pytest.raises(InvalidArgument) as raised:
        await house.scheduler.EnqueueWorkload(pb.EnqueueWorkloadRequest(workload=wrong(fields)))
    assert ("FIELD_INVALID", [field]) == (
        raised.value.reason,
        [violation.field for violation in raised.value.violations],
    )
    results = await house.enqueue(wrong(fields), workload("good"))
    assert [
        (pb.EnqueueResult.KIND_INVALID, "FIELD_INVALID"),
        (pb.EnqueueResult.KIND_ACCEPTED, ""),
    ] == [(result.kind, result.reason) for result in results]
    assert field in results[0].message


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("BatchEnqueueWorkloads", pb.BatchEnqueueWorkloadsRequest(), "workloads"),
        ("BatchCancelWorkloads", pb.BatchCancelWorkloadsRequest(), "workload_ids"),
        (
            "BatchCancelWorkloads",
            pb.BatchCancelWorkloadsRequest(workload_ids=["a"] * 1001),
            "workload_ids",
        ),
        ("BatchCancelWorkloads", pb.BatchCancelWorkloadsRequest(workload_ids=[""]), "workload_ids"),
        ("CancelWorkload", pb.CancelWorkloadRequest(workload_id="a\0"), "workload_id"),
        ("CancelWorkload", pb.CancelWorkloadRequest(workload_id="a", reason="\0"), "reason"),
        (
            "CancelWorkload",
            pb.CancelWorkloadRequest(workload_id="a", request_id="no uuid"),
            "request_id",
        ),
        ("GetWorkload", pb.GetWorkloadRequest(), "workload_id"),
        ("ListWorkloads", pb.ListWorkloadsRequest(page_size=-1), "page_size"),
        ("ListWorkloads", pb.ListWorkloadsRequest(team="\0"), "team"),
        (
            "ListWorkloads",
            pb.ListWorkloadsRequest(states=[workload_pb2.WORKLOAD_STATE_UNSPECIFIED]),
            "states",
        ),
    ],
)
async def test_a_wrong_request_is_refused_by_field(
    house: House, method: str, request_message: Any, field: str
) -> None:
    """Every method names what was wrong."""
    with pytest.raises(InvalidArgument) as raised:
        await getattr(house.scheduler, method)(request_message)
    assert [field] == [violation.field for violation in raised.value.violations]


@pytest.mark.parametrize("key", [["x"], [None], [1.5], [2**63], [1, 2], []])
async def test_a_made_up_page_token_is_refused(house: House, key: list[Any]) -> None:
    """It never reaches the database, though scope and checksum are right."""
    request = pb.ListWorkloadsRequest(team="vision")
    request.page_token = encode_page_token(decoding.page_scope(request), key)
    with pytest.raises(InvalidArgument) as raised:
        await house.scheduler.ListWorkloads(request)
    assert "PAGE_TOKEN_INVALID" == raised.value.reason


@pytest.mark.parametrize(
    ("role", "enqueue", "cancel", "pools"),
    [
        (Role.SERVICE, None, None, None),
        (Role.ADMIN, Kind.PERMISSION_DENIED, None, None),
        (Role.USER, Kind.PERMISSION_DENIED, Kind.PERMISSION_DENIED, None),
        (None, Kind.UNAUTHENTICATED, Kind.UNAUTHENTICATED, Kind.UNAUTHENTICATED),
    ],
)
async def test_the_contract_says_who_may_call(
    house: House, role: Role | None, enqueue: Kind | None, cancel: Kind | None, pools: Kind | None
) -> None:
    """Only services enqueue, admins may cancel too, and every user sees the pools."""
    metadata = house.identities.metadata("someone", role) if role else []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{house.service.port}") as channel:
        scheduler: Any = SchedulerServiceStub(channel)
        inventory: Any = type(house.inventory)(channel)
        batch = pb.BatchEnqueueWorkloadsRequest(workloads=[workload("a")])
        cancelling = pb.CancelWorkloadRequest(workload_id="x")
        listing = inventory_service_pb2.ListPoolsRequest()
        assert enqueue == await kind(scheduler.BatchEnqueueWorkloads(batch, metadata=metadata))
        assert cancel == await kind(scheduler.CancelWorkload(cancelling, metadata=metadata))
        assert pools == await kind(inventory.ListPools(listing, metadata=metadata))


async def test_what_is_not_built_says_so(house: House) -> None:
    """Each of these three services answers UNIMPLEMENTED with a reason, to those who may call."""
    allocation: Any = allocation_service_pb2_grpc.AllocationServiceStub(house.channel)
    usage: Any = usage_service_pb2_grpc.UsageServiceStub(house.channel)
    calls: list[Callable[[], Any]] = [
        lambda: house.inventory.ListNodes(inventory_service_pb2.ListNodesRequest()),
        lambda: allocation.Allocate(allocation_service_pb2.AllocateRequest()),
        lambda: usage.GetUsage(usage_service_pb2.GetUsageRequest()),
    ]
    for call in calls:
        with pytest.raises(Exception, match="does not serve") as raised:
            await call()
        assert "UNIMPLEMENTED" == getattr(raised.value, "reason", None)


async def kind(call: Any) -> Kind | None:
    """What kind of failure a call had, if any."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return failure_from_rpc(error).kind
    return None
