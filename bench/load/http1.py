"""A keep-alive HTTP/1.1 connection with one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

Answer = Callable[[int, bytes], None]

UNANSWERED = 0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """Sends prepared requests; tells status and body of each answer."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: Answer | None = None
        self._body_at = 0
        self._end = 0

    def request(self, request: bytes, answer: Answer) -> None:
        """Sends one request; `answer` hears the status, which is 0 if the connection is lost."""
        self._answer = answer
        if self._transport.is_closing():
            self.connection_lost(None)
        else:
            self._transport.write(request)

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps what requests are written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collects an answer until it is whole."""
        self._received += data
        if not self._end:
            self._read_head()
        if self._end and len(self._received) >= self._end:
            status = int(self._received[9:12])
            body = bytes(self._received[self._body_at : self._end])
            del self._received[: self._end]
            self._end = 0
            self._tell(status, body)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the open request."""
        self._tell(UNANSWERED, str(error or "connection closed").encode())

    def _read_head(self) -> None:
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        head = bytes(self._received[:head_end]).lower()
        place = head.find(_LENGTH)
        if place < 0:
            raise ValueError("an answer without content-length")
        length = head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]
        self._body_at = head_end + len(_HEAD_END)
        self._end = self._body_at + int(length)

    def _tell(self, status: int, body: bytes) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(status, body)


def post(address: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Returns a whole POST request with a JSON body."""
    given = {
        "Host": address,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + _HEAD_END + body


async def connect(address: str) -> Connection:
    """Returns an open connection."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, host, int(port))
    return connection
