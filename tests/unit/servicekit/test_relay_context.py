"""The context of a relayed call: what its handler is told of its time."""

import asyncio

import pytest

from gpuaas.api.v1.relay_service_pb2 import RelayedCall
from servicekit.relay import context as relay_context
from servicekit.relay.context import CallContext


async def test_a_late_call_has_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the timer, which is exact to a millisecond, was a little early."""
    monkeypatch.setattr(relay_context, "monotonic", lambda: 0.0)
    call = RelayedCall()
    call.timeout.FromMilliseconds(10)
    context = CallContext(call, "peer")
    left: list[float | None] = [context.time_remaining()]

    async def serve() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append(context.time_remaining())

    serving = asyncio.create_task(serve())
    context.cancel_when_late(serving)
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert [0.01, 0.0] == left
