"""The server's end of a relay: each call that arrives is served as if it had come by itself."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from time import monotonic
from typing import Any, TypeAlias

import grpc
from google.rpc.status_pb2 import Status

from gpuaas.api.v1 import relay_service_pb2_grpc
from gpuaas.api.v1.relay_service_pb2 import (
    DESCRIPTOR,
    RelayedAnswer,
    RelayedCall,
    RelayRequest,
    RelayResponse,
)
from servicekit.errors import Failure, ResourceExhausted, Unavailable, Unimplemented, invalid
from servicekit.statuses import DETAILS_KEY, status_of

Handlers: TypeAlias = Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
"""Handlers behind the server's edge, by "/package.Service/Method"."""

RELAY_SERVICE = DESCRIPTOR.services_by_name["RelayService"]

OPEN_CALLS = 4_096
TOGETHER_BYTES = 1024 * 1024
ANSWER_BYTES = 4 * 1024 * 1024 - 1024
LEAVE_SECONDS = 60.0
"""A stream is left so long before its end: the longest that a call of the gateway takes."""

_NANOS = 1e-9


class RelayServicer(relay_service_pb2_grpc.RelayServiceServicer):
    """Implements RelayService by the other handlers of its server.

    Args:
        handlers: what calls are served by; it may still grow.
        seconds_left: how long the stream being served may last.
    """

    def __init__(self, handlers: Handlers, seconds_left: Callable[[], float]) -> None:
        self._handlers = handlers
        self._seconds_left = seconds_left
        self._streams: set[_Stream] = set()
        self._leaving = False

    def register(self, server: grpc.aio.Server) -> None:
        """Adds itself to a server."""
        relay_service_pb2_grpc.add_RelayServiceServicer_to_server(self, server)

    async def Relay(  # noqa: N802
        self, requests: AsyncIterator[RelayRequest], context: Any
    ) -> AsyncIterator[RelayResponse]:
        """Serves one stream until the caller has closed its side and everything is answered."""
        if self._leaving:
            raise Unavailable("the server is going away")
        stream = _Stream(self._handlers, context.peer())
        leaving = asyncio.get_running_loop().call_later(
            self._seconds_left() - LEAVE_SECONDS, stream.leave
        )
        self._streams.add(stream)
        try:
            async with aclosing(stream.serve(requests)) as responses:
                async for response in responses:
                    yield response
        finally:
            leaving.cancel()
            self._streams.discard(stream)

    async def leave(self, seconds: float) -> None:
        """Says on all streams that the server goes away, and waits so long at most for them."""
        self._leaving = True
        for stream in self._streams:
            stream.leave()
        ends = [asyncio.create_task(stream.ended.wait()) for stream in self._streams]
        if ends:
            _, late = await asyncio.wait(ends, timeout=seconds)
            for end in late:
                end.cancel()


class _Stream:
    """One stream: what was asked on it, and what is to be sent back."""

    def __init__(self, handlers: Handlers, peer: str) -> None:
        self.ended = asyncio.Event()
        self._handlers = handlers
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, asyncio.Task[None]] = {}
        self._answers: deque[RelayedAnswer] = deque()
        self._leaving = False
        self._wake = asyncio.Event()

    def leave(self) -> None:
        """Asks the caller to send no more, with the next answers or at once."""
        self._leaving = True
        self._wake.set()

    async def serve(self, requests: AsyncIterator[RelayRequest]) -> AsyncGenerator[RelayResponse]:
        """Reads calls and gives what was answered since the last message, as one message."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(lambda _: self._wake.set())
        try:
            yield RelayResponse()
            while not reading.done() or self._open:
                await self._wake.wait()
                self._wake.clear()
                while self._answers or self._leaving:
                    leaving, self._leaving = self._leaving, False
                    yield RelayResponse(answers=self._together(), leaving=leaving)
                if reading.done():
                    reading.result()
        finally:
            reading.cancel()
            for task in self._open.values():
                task.cancel()
            self.ended.set()

    async def _read(self, requests: AsyncIterator[RelayRequest]) -> None:
        async for request in requests:
            self._take(request)

    def _take(self, request: RelayRequest) -> None:
        for call in request.calls:
            if call.number in self._open:
                raise invalid("calls.number", "one that no open call of the stream has")
            task = self._open[call.number] = self._loop.create_task(self._serve(call))
            task.add_done_callback(partial(self._close, call.number))
        for number in request.cancelled:
            if number in self._open:
                self._open[number].cancel()

    def _close(self, number: int, task: "asyncio.Task[None]") -> None:
        del self._open[number]
        if not self._open:
            self._wake.set()

    async def _serve(self, call: RelayedCall) -> None:
        """Makes one call; whoever cancelled it, or let its time pass, waits for no answer."""
        context = _CallContext(call, self._peer)
        late = None
        if (seconds := context.time_remaining()) is not None:
            late = self._loop.call_later(seconds, self._open[call.number].cancel)
        try:
            self._answers.append(await self._answer(call, context))
            self._wake.set()
        finally:
            if late is not None:
                late.cancel()

    async def _answer(self, call: RelayedCall, context: "_CallContext") -> RelayedAnswer:
        try:
            message = await self._handler(call.method)(call.message, context)
            if len(message) > ANSWER_BYTES:
                raise ResourceExhausted(f"the answer is larger than {ANSWER_BYTES} bytes")
        except grpc.aio.AbortError:
            return RelayedAnswer(number=call.number, error=context.status)
        except Failure as failure:
            return RelayedAnswer(number=call.number, error=status_of(failure))
        return RelayedAnswer(number=call.number, message=message)

    def _handler(self, method: str) -> Any:
        if len(self._open) > OPEN_CALLS:
            raise ResourceExhausted(
                f"{OPEN_CALLS} calls are open on this stream already", reason="OVERLOADED"
            )
        handler = self._handlers.get(method)
        if handler is None or handler.unary_unary is None:
            raise Unimplemented("there is no such method that can be relayed")
        return handler.unary_unary

    def _together(self) -> list[RelayedAnswer]:
        taken: list[RelayedAnswer] = []
        size, waiting = 0, self._answers
        while waiting and (not taken or size + len(waiting[0].message) <= TOGETHER_BYTES):
            size += len(waiting[0].message)
            taken.append(waiting.popleft())
        return taken


class _CallContext:
    """What the edge asks of the context of a call."""

    def __init__(self, call: RelayedCall, peer: str) -> None:
        self._metadata = tuple(call.metadata.items())
        self._deadline: float | None = None
        if call.HasField("timeout"):
            self._deadline = monotonic() + call.timeout.seconds + call.timeout.nanos * _NANOS
        self._peer = peer
        self.status = Status()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The call's own metadata."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Seconds until nobody waits any more, 0 from then on; None for a call without a time."""
        return None if self._deadline is None else max(0.0, self._deadline - monotonic())

    def peer(self) -> str:
        """The other end of the stream."""
        return self._peer

    async def abort(self, code: grpc.StatusCode, details: str, trailing: Any) -> None:
        """Ends the call with the status that stands in the trailing metadata."""
        self.status = Status.FromString(dict(trailing)[DETAILS_KEY])
        raise grpc.aio.AbortError
