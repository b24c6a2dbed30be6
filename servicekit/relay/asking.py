"""The caller's end of one stream: calls go out together, answers find who waits for them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import grpc

from gpuaas.api.v1.relay_service_pb2 import RelayedCall, RelayRequest, RelayResponse
from servicekit.errors import DeadlineExceeded, Unavailable
from servicekit.relay.messages import METADATA_BYTES, together
from servicekit.statuses import failure_from_rpc, failure_of

OPEN_CALLS = 1_024
"""A quarter of what the server allows; more would only wait there."""

CALL_BYTES = 512 * 1024
"""Others on the stream would wait for a larger one."""


class Lost(Unavailable):
    """The stream broke before the answer came: the call may or may not have been made."""


class _Asked(NamedTuple):
    """A call that somebody waits for, until a moment of the loop's time."""

    answer: asyncio.Future[bytes]
    until: float


class Stream:
    """One stream, from its opening to its end.

    Attributes:
        opened: set when it takes calls, or when it ended before it ever did.
        closing: set when it takes no more calls, be it left or lost.
    """

    def __init__(self, call: Any) -> None:
        self.opened, self.closing = asyncio.Event(), asyncio.Event()
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._asked: dict[int, _Asked] = {}
        self._calls: deque[RelayedCall] = deque()
        self._cancelled: list[int] = []
        self._wake = asyncio.Event()

    def takes(self, message: bytes, metadata: Sequence[tuple[str, Any]]) -> bool:
        """Whether a call may go this way now."""
        if self.closing.is_set() or len(self._asked) + len(self._cancelled) >= OPEN_CALLS:
            return False
        size = sum(len(key) + len(value) for key, value in metadata)
        return len(message) <= CALL_BYTES and size <= METADATA_BYTES

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
        call = RelayedCall(number=number, method=method, message=message, metadata=dict(metadata))
        asked = _Asked(self._loop.create_future(), self._loop.time() + seconds)
        self._asked[number] = asked
        self._calls.append(call)
        self._wake.set()
        late = self._loop.call_at(asked.until, self._give_up, number)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            self._cancelled.append(number)
            self._wake.set()
            raise
        finally:
            late.cancel()
            del self._asked[number]
            if self.closing.is_set():
                self._wake.set()

    async def run(self) -> None:
        """Sends and receives until the server ends the stream.

        Raises:
            Failure: why it broke; nothing if it was left and everything is answered.
        """
        sending = asyncio.create_task(self._send())
        sending.add_done_callback(self._stop_reading)
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._receive(response)
            if not self.closing.is_set():
                raise Lost("the server ended the relay")
        except grpc.aio.AioRpcError as error:
            raise failure_from_rpc(error) from error
        except asyncio.CancelledError:
            if not _failed(sending):
                raise
            raise Lost("the relay could not be written to") from sending.exception()
        finally:
            self._end(sending)

    def _stop_reading(self, sending: "asyncio.Task[None]") -> None:
        """Nobody may wait on a stream that cannot be written to any more."""
        if _failed(sending):
            self._call.cancel()

    def _end(self, sending: "asyncio.Task[None]") -> None:
        self.closing.set()
        self.opened.set()
        sending.cancel()
        self._call.cancel()
        for asked in self._asked.values():
            if not asked.answer.done():
                lost = Lost("the connection was lost; a change may or may not have been made")
                asked.answer.set_exception(lost)

    def _receive(self, response: RelayResponse) -> None:
        for answered in response.answers:
            asked = self._asked.get(answered.number)
            if asked is None or asked.answer.done():
                continue
            if answered.HasField("error"):
                asked.answer.set_exception(failure_of(answered.error))
            else:
                asked.answer.set_result(answered.message)
        if response.leaving:
            self.closing.set()
            self._wake.set()
        self.opened.set()

    def _give_up(self, number: int) -> None:
        """Ends the wait for an answer whose time is over; the server ends the call by itself.

        It is not told, as it would then see a call that was given up and not one that was late.
        """
        answer = self._asked[number].answer
        if not answer.done():
            late = "there was no answer in time; a change may or may not have been made"
            answer.set_exception(DeadlineExceeded(late))

    async def _send(self) -> None:
        """Sends what was asked since the last message, and closes this side when all is over."""
        while not self.closing.is_set() or self._asked:
            await self._wake.wait()
            self._wake.clear()
            while self._calls or self._cancelled:
                request = RelayRequest(calls=self._due(), cancelled=self._cancelled)
                self._cancelled.clear()
                await self._call.write(request)
        await self._call.done_writing()

    def _due(self) -> list[RelayedCall]:
        """The next calls to send, with the time that is left; none that was given up meanwhile."""
        now = self._loop.time()
        calls = []
        for call in together(self._calls):
            asked = self._asked.get(call.number)
            if asked is not None and not asked.answer.done() and asked.until > now:
                seconds = asked.until - now
                call.timeout.seconds = int(seconds)
                call.timeout.nanos = int(seconds % 1 * 1e9)
                calls.append(call)
        return calls


def _failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
