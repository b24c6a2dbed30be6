"""Uvicorn as the gateway runs it: a bounded head, a socket of our own, a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.exchange import HEAD_BYTES
from gateway.problems import MEDIA_TYPE, Problem
from servicekit.config import ConfigurationError, host_and_port
from servicekit.ids import new_id

HEAD_SECONDS = 10.0
LINGER_SECONDS = 1.0
DRAIN_SECONDS = 10
BACKLOG = 1024


class BoundedHead(HttpToolsProtocol):
    """Refuses a request whose head does not end within so many bytes and seconds.

    The parser itself has no limit: without this a single header could fill the memory.
    """

    _head_bytes = 0
    _in_head = True
    _head_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: Any) -> None:
        """Gives the first request its time."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the timer."""
        self._in_head = False
        self._watch_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses, and counts what did not complete a head."""
        if self._refused:
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                limit = f"the headers are larger than {HEAD_BYTES} bytes"
                self._refuse(Problem(431, "HEADERS_TOO_LARGE", limit))
        self._watch_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        self._refuse(Problem(400, "MESSAGE_MALFORMED", msg))

    def _watch_head(self) -> None:
        if self._in_head and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        elif not self._in_head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, problem: Problem) -> None:
        body = problem.document(new_id())
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\ncontent-type: %s\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (problem.status, MEDIA_TYPE.encode(), len(body), body)
        )
        # Closing now, with more of the request under way, would reset the connection, and the
        # client would see that instead of the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._refused = True
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class DrainingServer(uvicorn.Server):
    """Tells the application that it drains, and leaves with exit code 0 after a signal."""

    def __init__(
        self,
        application: Any,
        on_drain: Callable[[], None],
        https: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="uvloop",
                http=BoundedHead,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                ssl_context_factory=None if https is None else lambda *_: https,
            )
        )
        self._on_drain = on_drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins the drain at the first SIGTERM or SIGINT, ends it at the second SIGINT."""
        first = not self.should_exit
        super().handle_exit(sig, frame)
        # Uvicorn would raise the signal again after a clean end, which looks like a crash.
        self._captured_signals.clear()
        if first:
            asyncio.get_running_loop().call_soon_threadsafe(self._on_drain)


def listening_socket(address: str) -> socket.socket:
    """Returns a socket on host:port (port 0: any free); ConfigurationError where it is taken."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {address}: {error.strerror}") from None
