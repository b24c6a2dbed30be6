"""Changes of the queue that are made while the caller is told that time ran out."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from scheduler_service.adapters.tables import CANCELLATIONS, PLUMBING, WORKLOADS
from scheduler_service.bootstrap import (
    ALLOCATION_SERVICE,
    INVENTORY_SERVICE,
    SCHEDULER_SERVICE,
    USAGE_SERVICE,
)
from tests.contract.test_architecture import unimplemented
from tests.service.scheduler_service.conftest import House, Kind, Open, seen, workload
from tests.timeouts import made_once, path_of, writes

MUTATING = writes((SCHEDULER_SERVICE, INVENTORY_SERVICE, ALLOCATION_SERVICE, USAGE_SERVICE))
EXCUSED: dict[str, str] = {}
"""What a repeat of may change something, and why that does no harm."""

RUNNING, RUNS_LONG = "w1", 10_000_000
REQUESTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "EnqueueWorkload": (
        "workload.enqueue",
        lambda: pb.EnqueueWorkloadRequest(workload=workload("new", RUNS_LONG)),
    ),
    "BatchEnqueueWorkloads": (
        "workload.enqueue",
        lambda: pb.BatchEnqueueWorkloadsRequest(
            workloads=[workload(it, RUNS_LONG) for it in ("new", RUNNING, "newer")]
        ),
    ),
    "CancelWorkload": ("workload.cancel", lambda: pb.CancelWorkloadRequest(workload_id=RUNNING)),
    "BatchCancelWorkloads": (
        "workload.cancel",
        lambda: pb.BatchCancelWorkloadsRequest(workload_ids=[RUNNING, "unknown"]),
    ),
}
EVENTS = {
    "EnqueueWorkload": 4,
    "BatchEnqueueWorkloads": 6,
    "CancelWorkload": 3,
    "BatchCancelWorkloads": 3,
}
"""How many events there are in the end, of one workload that runs before and of those asked for."""
LEFT_BEHIND = [(WORKLOADS, "id"), (CANCELLATIONS, "workload_id"), (PLUMBING.requests, "key")]


def test_every_mutating_method_is_tried_or_excused() -> None:
    """Whoever brings one finds out here; what answers UNIMPLEMENTED changes nothing."""
    waiting = {name.partition(".")[2] for name in unimplemented()}
    assert set(MUTATING) - waiting == REQUESTS.keys() | EXCUSED.keys()


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_change_that_looked_timed_out_is_made_once(open_house: Open, name: str) -> None:
    """Each workload is queued, started and ended once at the most."""
    command, make = REQUESTS[name]
    async with open_house() as house:
        await house.enqueue(workload(RUNNING, RUNS_LONG))
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of=RUNNING))
        request = make()
        if "request_id" in MUTATING[name].input_type.fields_by_name:
            request.request_id = str(uuid4())
        answers = await made_once(
            lambda: _call(house, name, request), command, lambda: _asked(house)
        )
        assert 2 == len(answers)
        events = await house.watch(lambda events: len(events) >= EVENTS[name])
        happened = [(it.workload_id, it.kind) for it in events]
        assert EVENTS[name] == len(set(happened)) == len(happened)


async def _asked(house: House) -> Any:
    """All that calls leave behind, and nothing that the loops change by themselves."""
    statements = [sa.select(table.c[column]) for table, column in LEFT_BEHIND]
    return await house.service.database.read(
        lambda it: [sorted(it.execute(statement).scalars()) for statement in statements]
    )


async def _call(house: House, name: str, request: Any) -> bytes:
    """The answer but for a workload as it stands, which moves on meanwhile."""
    call = house.channel.unary_unary(
        path_of(MUTATING[name]),
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=bytes,
    )
    answer: bytes = await call(request, timeout=30.0)
    return b"" if name == "EnqueueWorkload" else answer
