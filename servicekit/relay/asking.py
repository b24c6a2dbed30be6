"""The caller's end of a relay: calls go out together, answers find who waits for them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from time import monotonic
from typing import Any

import grpc
from prometheus_client import Gauge

from gpuaas.api.v1.relay_service_pb2 import RelayedCall, RelayRequest, RelayResponse
from servicekit.errors import DeadlineExceeded, Unavailable
from servicekit.statuses import failure_from_rpc, failure_of

METHOD = "/gpuaas.api.v1.RelayService/Relay"
OPEN_CALLS = 1_024
CALL_BYTES = 512 * 1024
TOGETHER_BYTES = 1024 * 1024
STREAM_SECONDS = 3_600.0
LEAST_SECONDS = 1.0

_OPEN = Gauge(
    "gpuaas_relay_open", "1 while calls to a server are carried over one stream.", ("target",)
)


class Lost(Unavailable):
    """The stream broke before the answer came: the call may or may not have been made."""


class Relay:
    """A stream to one server for as many calls as it takes, opened anew whenever it ends.

    Attributes:
        stream: the one to use now; None while there is none, and calls go their own way.
    """

    def __init__(self, channel: grpc.aio.Channel, target: str) -> None:
        self.stream: Stream | None = None
        self._is_open = _OPEN.labels(target)
        self._open: Any = channel.stream_stream(
            METHOD, RelayRequest.SerializeToString, RelayResponse.FromString
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
                stream = Stream(self._open(metadata=metadata, timeout=STREAM_SECONDS))
                opened = monotonic()
                await self._use(stream, self._run(stream))
                if monotonic() - opened < LEAST_SECONDS:
                    raise Lost("the server left the relay at once")
        except asyncio.CancelledError:
            for running in self._running:
                running.cancel()
            raise

    def _run(self, stream: "Stream") -> "asyncio.Task[None]":
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

    async def _use(self, stream: "Stream", running: "asyncio.Task[None]") -> None:
        """Offers a stream from its opening until it ends or is to be left."""
        opened = asyncio.create_task(stream.opened.wait())
        left = asyncio.create_task(stream.left.wait())
        try:
            await asyncio.wait((opened, running), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                self.stream = stream
                self._is_open.set(1)
                await asyncio.wait((left, running), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            self.stream = None
            self._is_open.set(0)
            opened.cancel()
            left.cancel()


class Stream:
    """One stream, from its opening to its end."""

    def __init__(self, call: Any) -> None:
        self.opened = asyncio.Event()
        self.left = asyncio.Event()
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._calls: deque[RelayedCall] = deque()
        self._cancelled: list[int] = []
        self._wake = asyncio.Event()

    def takes(self, message: bytes) -> bool:
        """Whether a call may go this way now: not one so large that others would wait for it."""
        if self.left.is_set() or len(self._asked) >= OPEN_CALLS:
            return False
        return len(message) <= CALL_BYTES

    async def ask(
        self, method: str, message: bytes, seconds: float, metadata: Sequence[tuple[str, Any]]
    ) -> bytes:
        """Makes one call and returns its answer, encoded.

        Raises:
            Failure: what the server answered.
            DeadlineExceeded: there was no answer in so many seconds.
            Lost: the stream broke.
        """
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[number] = answer
        self._calls.append(_relayed(number, method, message, seconds, metadata))
        self._wake.set()
        late = self._loop.call_later(seconds, _give_up, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self._cancelled.append(number)
            self._wake.set()
            raise
        finally:
            late.cancel()
            del self._asked[number]

    async def run(self) -> None:
        """Sends and receives until the server ends the stream.

        Raises:
            Failure: why it broke; nothing if it was left and everything is answered.
        """
        sending = asyncio.create_task(self._send())
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._receive(response)
            if not self.left.is_set():
                raise Lost("the server ended the relay")
        except grpc.aio.AioRpcError as error:
            raise failure_from_rpc(error) from error
        finally:
            sending.cancel()
            self._call.cancel()
            self.left.set()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(Lost("the connection was lost while the call was open"))

    def _receive(self, response: RelayResponse) -> None:
        self.opened.set()
        for answered in response.answers:
            answer = self._asked.get(answered.number)
            if answer is None or answer.done():
                continue
            if answered.HasField("error"):
                answer.set_exception(failure_of(answered.error))
            else:
                answer.set_result(answered.message)
        if response.leaving:
            self.left.set()
            self._wake.set()

    async def _send(self) -> None:
        """Sends what was asked since the last message, as one message."""
        while not self.left.is_set():
            await self._wake.wait()
            self._wake.clear()
            while self._calls or self._cancelled:
                request = RelayRequest(calls=self._together(), cancelled=self._cancelled)
                self._cancelled.clear()
                await self._call.write(request)
        await self._call.done_writing()

    def _together(self) -> list[RelayedCall]:
        taken: list[RelayedCall] = []
        size, waiting = 0, self._calls
        while waiting and size <= TOGETHER_BYTES:
            size += len(waiting[0].message)
            taken.append(waiting.popleft())
        return taken


def _relayed(
    number: int, method: str, message: bytes, seconds: float, metadata: Sequence[tuple[str, Any]]
) -> RelayedCall:
    call = RelayedCall(number=number, method=method, message=message)
    whole = int(seconds)
    call.timeout.seconds, call.timeout.nanos = whole, int((seconds - whole) * 1e9)
    for key, value in metadata:
        call.metadata[key] = value
    return call


def _give_up(answer: "asyncio.Future[bytes]") -> None:
    if not answer.done():
        answer.set_exception(DeadlineExceeded("there was no answer in time"))
