"""The context of a relayed call, in the place of the one that gRPC makes."""

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Any

import grpc
from google.rpc.status_pb2 import Status

from gpuaas.api.v1.relay_service_pb2 import RelayedCall
from servicekit.statuses import DETAILS_KEY

_NANOS = 1e-9


class CallContext:
    """What a handler may ask of its call, as of a `grpc.aio.ServicerContext`.

    Attributes:
        size: bytes of the metadata.
        status: what the call was aborted with.
    """

    def __init__(self, call: RelayedCall, peer: str) -> None:
        self.status = Status()
        self._metadata = tuple(call.metadata.items())
        self.size = sum(len(key) + len(value) for key, value in self._metadata)
        self._seconds: float | None = None
        if call.HasField("timeout"):
            self._seconds = call.timeout.seconds + call.timeout.nanos * _NANOS
        self._arrived = monotonic()
        self._late = False
        self._peer = peer

    def cancel_when_late(self, task: "asyncio.Task[None]") -> asyncio.TimerHandle | None:
        """Cancels the call's task when its time is over; returns the timer, if it has a time."""
        if self._seconds is None:
            return None
        return asyncio.get_running_loop().call_later(self._seconds, self._end, task)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._late = True
        task.cancel()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The call's own metadata."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Seconds until nobody waits any more, 0 from then on; None for a call without a time."""
        if self._seconds is None:
            return None
        return 0.0 if self._late else max(0.0, self._arrived + self._seconds - monotonic())

    def peer(self) -> str:
        """The other end of the stream."""
        return self._peer

    def code(self) -> int:
        """What the call was aborted with, as a number."""
        return self.status.code

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing: Iterable[tuple[str, Any]] = ()
    ) -> None:
        """Ends the call with the status that stands in the trailing metadata, or else with this."""
        found = dict(trailing).get(DETAILS_KEY)
        self.status = (
            Status(code=code.value[0], message=details)
            if found is None
            else Status.FromString(found)
        )
        raise grpc.aio.AbortError
