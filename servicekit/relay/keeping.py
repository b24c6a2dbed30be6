"""A relay as its caller has it: one stream after the other, always one to use if there can be."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import grpc
from prometheus_client import Gauge

from gpuaas.api.v1.relay_service_pb2 import RelayRequest, RelayResponse
from servicekit.errors import Unimplemented
from servicekit.relay.asking import Lost, Stream
from servicekit.relay.messages import RELAY

STREAM_SECONDS = 3_600.0
LEAST_SECONDS = 1.0
"""A stream that is left sooner is a failure, so that the next one is not opened at once."""

_OPEN = Gauge(
    "gpuaas_relay_open", "1 while calls to a server are carried over one stream.", ("target",)
)


class Relay:
    """A stream to one server for as many calls as it takes, opened anew whenever it ends.

    Attributes:
        stream: the one to use now; None while there is none, and calls go their own way.
    """

    def __init__(self, channel: grpc.aio.Channel, target: str) -> None:
        self.stream: Stream | None = None
        self._target = target
        self._open: Any = channel.stream_stream(
            RELAY, RelayRequest.SerializeToString, RelayResponse.FromString
        )
        self._running: set[asyncio.Task[None]] = set()

    async def keep_open(self, token: Callable[[], Awaitable[str]]) -> None:
        """Opens one stream after the other, with a service's own token; a work for `loops`.

        Raises:
            Failure: a stream could not be opened, or broke.
        """
        try:
            while True:
                metadata = (("authorization", f"Bearer {await token()}"),)
                # A server that is not there is waited for: calls have their own way until it is.
                call = self._open(metadata=metadata, timeout=STREAM_SECONDS, wait_for_ready=True)
                stream = Stream(call)
                opened = monotonic()
                await self._use(stream, self._run(stream))
                if monotonic() - opened < LEAST_SECONDS:
                    raise Lost("the server left the relay at once")
        except Unimplemented as older:
            raise Unimplemented("the server has no relay; each call goes by itself") from older
        except asyncio.CancelledError:
            for running in self._running:
                running.cancel()
            raise

    def _run(self, stream: Stream) -> "asyncio.Task[None]":
        """Runs a stream until its end: what was asked before it was left is answered meanwhile."""
        running = asyncio.create_task(stream.run())
        self._running.add(running)
        running.add_done_callback(self._forget)
        return running

    def _forget(self, ended: "asyncio.Task[None]") -> None:
        """Drops a stream that has ended; why it did concerns only those who waited for it."""
        self._running.discard(ended)
        if not ended.cancelled():
            ended.exception()

    async def _use(self, stream: Stream, running: "asyncio.Task[None]") -> None:
        """Offers a stream from its opening until it ends or is to be left."""
        is_open = _OPEN.labels(self._target)
        try:
            await stream.opened.wait()
            if not stream.closing.is_set():
                self.stream = stream
                is_open.set(1)
            await stream.closing.wait()
        finally:
            self.stream = None
            is_open.set(0)
        if running.done():
            running.result()
