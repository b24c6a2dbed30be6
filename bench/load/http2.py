"""A connection to a gRPC server: many calls of one method at once, at a few microseconds each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol, cast

from bench.load import frames, hpack

REFILL = 1 << 30
UNAVAILABLE = "14"


class Call(Protocol):
    """What a connection tells about a call."""

    def message(self, payload: bytes) -> None:
        """Is told each message of the response."""

    def ended(self, status: str, text: str) -> None:
        """Is told the end, once: gRPC's status as a number in words, "0" being success."""


class Connection(asyncio.Protocol):
    """HTTP/2 as far as gRPC needs it. Calls beyond the server's window wait for their turn."""

    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        """Prepares calls that all carry these headers, pseudo-headers first."""
        self.opened = asyncio.Event()
        self._first_block, self._next_block = hpack.request_blocks(headers)
        self._calls: dict[int, Call] = {}
        self._buffers: dict[int, bytearray] = {}
        self._received = bytearray()
        self._sending: list[bytes] = []
        self._waiting: deque[tuple[bytes, Call]] = deque()
        self._window = frames.DEFAULT_WINDOW
        self._stream_window = frames.DEFAULT_WINDOW
        self._largest_frame = frames.DEFAULT_FRAME_SIZE
        self._unacknowledged = 0
        self._next_stream = 1
        self._is_reading = False
        self._is_lost = False

    def call(self, body: bytes, call: Call) -> None:
        """Starts a call with this one request message, its prefix included.

        Raises:
            ConnectionError: the connection is gone.
        """
        if self._is_lost:
            raise ConnectionError("the connection is closed")
        if self._waiting or len(body) > self._window:
            self._waiting.append((body, call))
            return
        self._start(body, call)
        if not self._is_reading:
            self._flush()

    @property
    def waiting(self) -> int:
        """How many calls wait for the server's window."""
        return len(self._waiting)

    def close(self) -> None:
        """Closes the connection; open calls end as unavailable."""
        self._transport.close()

    def _start(self, body: bytes, call: Call) -> None:
        if len(body) > self._stream_window:
            raise ValueError(f"{len(body)} bytes exceed a stream's window")
        stream = self._next_stream
        block = self._first_block if stream == 1 else self._next_block
        self._next_stream += 2
        self._window -= len(body)
        self._calls[stream] = call
        self._sending.append(frames.frame(frames.HEADERS, frames.END_HEADERS, stream, block))
        self._sending.append(frames.data_frames(stream, body, self._largest_frame))

    def _start_waiting(self) -> None:
        while self._waiting and len(self._waiting[0][0]) <= self._window:
            self._start(*self._waiting.popleft())

    def _flush(self) -> None:
        if self._sending:
            self._transport.write(b"".join(self._sending))
            self._sending.clear()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says the opening words."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(frames.opening())

    def data_received(self, data: bytes) -> None:
        """Takes in all whole frames, then sends whatever they gave rise to in one go."""
        self._is_reading = True
        self._received += data
        received, place = self._received, 0
        while len(received) - place >= frames.HEAD_BYTES:
            length, kind, flags, stream = frames.head(received, place)
            begin = place + frames.HEAD_BYTES
            if len(received) < begin + length:
                break
            place = begin + length
            self._take(kind, flags, stream, bytes(received[begin:place]))
        del received[:place]
        self._is_reading = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Ends every open call."""
        self._is_lost = True
        waiting = [call for _, call in self._waiting]
        calls = [*self._calls.values(), *waiting]
        self._calls.clear()
        self._waiting.clear()
        for call in calls:
            call.ended(UNAVAILABLE, f"connection lost: {error or 'closed'}")

    # What frames mean.

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == frames.DATA:
            self._take_data(stream, payload)
        elif kind == frames.HEADERS:
            self._take_headers(flags, stream, payload)
        elif kind == frames.WINDOW_UPDATE:
            if stream == 0:
                self._window += frames.word(payload)
                self._start_waiting()
        elif kind == frames.PING:
            if not flags & frames.ACK:
                self._sending.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.SETTINGS:
            self._take_settings(flags, payload)
        elif kind == frames.RST_STREAM:
            self._end(stream, UNAVAILABLE, f"reset with error {frames.word(payload)}")
        elif kind == frames.GOAWAY:
            self._transport.close()
        elif kind == frames.CONTINUATION:
            raise hpack.Unreadable("a header block in several frames")

    def _take_data(self, stream: int, payload: bytes) -> None:
        self._unacknowledged += len(payload)
        if self._unacknowledged >= REFILL:
            # The connection's only: a single stream will not use up the window it was given.
            self._sending.append(frames.window_update(self._unacknowledged))
            self._unacknowledged = 0
        call = self._calls.get(stream)
        if call is None:
            return
        buffer = self._buffers.setdefault(stream, bytearray())
        buffer += payload
        for message in frames.take_messages(buffer):
            call.message(message)

    def _take_headers(self, flags: int, stream: int, block: bytes) -> None:
        if flags & ~(frames.END_STREAM | frames.END_HEADERS):
            raise hpack.Unreadable(f"a header frame with flags {flags:#x}")
        if flags & frames.END_STREAM:
            trailers = dict(hpack.read_literals(block))
            self._end(stream, trailers["grpc-status"], trailers.get("grpc-message", ""))

    def _end(self, stream: int, status: str, text: str) -> None:
        self._buffers.pop(stream, None)
        call = self._calls.pop(stream, None)
        if call is not None:
            call.ended(status, text)

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        settings = frames.settings(payload)
        self._stream_window = settings.get(frames.INITIAL_WINDOW_SIZE, self._stream_window)
        self._largest_frame = settings.get(frames.MAX_FRAME_SIZE, self._largest_frame)
        self._sending.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self.opened.set()


def grpc_headers(address: str, method: str, token: str = "") -> list[tuple[str, str]]:
    """Returns the headers of a client library's call; `method` is "/package.Service/Rpc"."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", address),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "gpuaas-bench"),
        ("grpc-timeout", "30S"),
    ]
    return [*headers, ("authorization", f"Bearer {token}")] if token else headers


async def connect(address: str, headers: Sequence[tuple[str, str]]) -> Connection:
    """Returns a connection that has the server's settings."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(headers), host, int(port))
    await asyncio.wait_for(connection.opened.wait(), timeout=10)
    return connection
