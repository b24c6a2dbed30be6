"""The server's end of a relay: each call that arrives is served as if it had come by itself."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from functools import partial
from typing import Any, TypeAlias

import grpc

from gpuaas.api.v1 import relay_service_pb2_grpc
from gpuaas.api.v1.relay_service_pb2 import RelayedAnswer, RelayedCall, RelayRequest, RelayResponse
from servicekit.errors import Failure, Internal, ResourceExhausted, Unimplemented, invalid
from servicekit.logs import logger
from servicekit.relay.context import CallContext
from servicekit.relay.messages import METADATA_BYTES, together
from servicekit.statuses import status_of

Handlers: TypeAlias = Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
"""Handlers behind the server's edge, by "/package.Service/Method"."""

EndingItself: TypeAlias = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Has a function called when the stream being served should end."""

OPEN_CALLS = 4_096
ANSWER_BYTES = 4 * 1024 * 1024 - 1024
WAITING_BYTES = 4 * 1024 * 1024
"""While more than this waits to be sent, no more calls are read: the caller reads too slowly."""

_log = logger(__name__)


class RelayServicer(relay_service_pb2_grpc.RelayServiceServicer):
    """Implements RelayService by the other handlers of its server; ``handlers`` may still grow."""

    def __init__(self, handlers: Handlers, ending_itself: EndingItself) -> None:
        self._handlers = handlers
        self._ending_itself = ending_itself

    def register(self, server: grpc.aio.Server) -> None:
        """Adds itself to a server."""
        relay_service_pb2_grpc.add_RelayServiceServicer_to_server(self, server)

    async def Relay(  # noqa: N802
        self, requests: AsyncIterator[RelayRequest], context: Any
    ) -> AsyncIterator[RelayResponse]:
        """Serves one stream until the caller has closed its side and everything is answered."""
        stream = _Stream(self._handlers, context.peer())
        with self._ending_itself(stream.leave):
            async with aclosing(stream.serve(requests)) as responses:
                async for response in responses:
                    yield response


class _Stream:
    """One stream: what was asked on it, and what is to be sent back."""

    def __init__(self, handlers: Handlers, peer: str) -> None:
        self._handlers = handlers
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, asyncio.Task[None]] = {}
        self._answers: deque[RelayedAnswer] = deque()
        self._waiting_bytes = 0
        self._leaving = False
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

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
            while not reading.done() or self._open or self._answers:
                await self._wake.wait()
                self._wake.clear()
                while self._answers or self._leaving:
                    yield self._response()
                if reading.done():
                    reading.result()
            reading.result()
        finally:
            reading.cancel()
            for task in self._open.values():
                task.cancel()

    async def _read(self, requests: AsyncIterator[RelayRequest]) -> None:
        async for request in requests:
            for call in request.calls:
                self._take(call)
            for number in request.cancelled:
                if number in self._open:
                    self._open[number].cancel()
            await self._room.wait()

    def _take(self, call: RelayedCall) -> None:
        """Begins to serve a call, or answers at once where that cannot be."""
        if call.number in self._open:
            raise invalid("calls.number", "one that no open call of the stream has")
        try:
            if len(self._open) >= OPEN_CALLS:
                raise ResourceExhausted(
                    f"{OPEN_CALLS} calls are open on this stream already", reason="OVERLOADED"
                )
            context = CallContext(call, self._peer)
            if context.size > METADATA_BYTES:
                raise ResourceExhausted(f"the metadata is larger than {METADATA_BYTES} bytes")
            handler = self._handlers.get(call.method)
            if handler is None or handler.unary_unary is None:
                raise Unimplemented("there is no such method that can be relayed")
        except Failure as failure:
            self._send(RelayedAnswer(number=call.number, error=status_of(failure)))
            return
        serving = self._serve(call, handler.unary_unary, context)
        task = self._open[call.number] = self._loop.create_task(serving)
        late = context.cancel_when_late(task)
        task.add_done_callback(partial(self._close, call.number, late))

    def _close(
        self, number: int, late: asyncio.TimerHandle | None, task: "asyncio.Task[None]"
    ) -> None:
        del self._open[number]
        if late is not None:
            late.cancel()
        if not self._open:
            self._wake.set()

    async def _serve(self, call: RelayedCall, serve: Any, context: CallContext) -> None:
        """Makes one call; whoever cancelled it, or let its time pass, waits for no answer."""
        answer = RelayedAnswer(number=call.number)
        try:
            answer.message = await serve(call.message, context)
            if len(answer.message) > ANSWER_BYTES:
                large = ResourceExhausted(f"the answer is larger than {ANSWER_BYTES} bytes")
                answer.error.CopyFrom(status_of(large))
        except grpc.aio.AbortError:
            answer.error.CopyFrom(context.status)
        except Exception as error:
            _log.error("a relayed call failed by a defect", method=call.method, exc_info=error)
            answer.error.CopyFrom(status_of(Internal("internal error")))
        self._send(answer)

    def _send(self, answer: RelayedAnswer) -> None:
        self._answers.append(answer)
        self._waiting_bytes += answer.ByteSize()
        if self._waiting_bytes > WAITING_BYTES:
            self._room.clear()
        self._wake.set()

    def _response(self) -> RelayResponse:
        leaving, self._leaving = self._leaving, False
        response = RelayResponse(answers=together(self._answers), leaving=leaving)
        self._waiting_bytes -= sum(answer.ByteSize() for answer in response.answers)
        if self._waiting_bytes <= WAITING_BYTES:
            self._room.set()
        return response
