"""A caller whose sessions were ended is out, open event streams included."""

import asyncio
from typing import Any

import pytest

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from servicekit.errors import Failure
from tests.service.scheduler_service.conftest import House, workload


async def test_an_ended_caller_is_refused_and_the_open_stream_closed(house: House) -> None:
    """The news travels by auth_service's stream."""
    await house.enqueue(workload("a"))
    stream: Any = house.scheduler.WatchEvents(pb.WatchEventsRequest())
    await anext(stream)
    await house.identities.revoke("job-service")
    with pytest.raises(Failure) as ended:
        await asyncio.wait_for(_to_its_end(stream), 30)
    assert "TOKEN_REVOKED" == ended.value.reason
    with pytest.raises(Failure) as refused:
        await house.pools()
    assert "TOKEN_REVOKED" == refused.value.reason


async def _to_its_end(stream: Any) -> None:
    """Reads what is on its way, too; only how the stream ends matters."""
    async for _ in stream:
        pass
