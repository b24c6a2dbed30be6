"""One HTTP request and its answer, seen once, with the limits of the door."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gateway.problems import MEDIA_TYPE, Problem
from servicekit.call import Call, enter_call
from servicekit.ids import child_traceparent, usable_request_id

HEAD_BYTES = 16 * 1024
BODY_BYTES = 1024 * 1024
AUTHORIZATION_BYTES = 4 * 1024
BODY_SECONDS = 10.0
CALL_SECONDS = 10.0
LONGEST_CALL_SECONDS = 60.0

_TIMEOUT = re.compile(rb"\d{1,6}(\.\d{1,6})?")
_VISIBLE = re.compile(rb"[\x20-\x7e]+")


class ClientGone(Exception):
    """The client closed the connection; nobody reads an answer."""


@dataclass(slots=True)
class Exchange:
    """What a handler needs of an ASGI request, and what became of it for the log.

    `status` is what was answered, 0 before; `route` the binding that answers, empty for pages;
    `reason` that of the problem, if there was one.
    """

    scope: Any
    receive: Any
    send: Any
    headers: Mapping[bytes, bytes]
    request_id: str
    traceparent: str
    status: int = 0
    route: str = ""
    reason: str = ""

    @staticmethod
    def of(scope: Any, receive: Any, send: Any) -> Exchange:
        """Returns the exchange with the caller's request id and trace, or new ones."""
        headers = dict(scope["headers"])
        return Exchange(
            scope,
            receive,
            send,
            headers,
            usable_request_id(_text(headers.get(b"x-request-id"))),
            child_traceparent(_text(headers.get(b"traceparent"))),
        )

    @property
    def path(self) -> str:
        """The path as it came over the wire, percent-encoded."""
        raw: bytes = self.scope["raw_path"]
        return raw.decode("latin-1")

    def check_head(self) -> None:
        """Raises the problem of a head that is too large for us or for what we call."""
        size = tokens = 0
        for name, value in self.scope["headers"]:
            size += len(name) + len(value)
            tokens += name == b"authorization"
        if tokens > 1:
            raise Problem(400, "MESSAGE_MALFORMED", "there are several Authorization headers")
        if size > HEAD_BYTES:
            raise Problem(
                431, "HEADERS_TOO_LARGE", f"the headers are larger than {HEAD_BYTES} bytes"
            )
        authorization = self.headers.get(b"authorization", b"")
        if len(authorization) > AUTHORIZATION_BYTES:
            limit = f"{AUTHORIZATION_BYTES} bytes"
            raise Problem(431, "HEADERS_TOO_LARGE", f"the Authorization header passes {limit}")

    def begin_call(self, method: str, default: float, longest: float) -> float:
        """Makes this request the current call and returns the seconds that it may take.

        The header `X-Request-Timeout`, in seconds, asks for less or more than `default`.
        """
        seconds = min(self._asked_seconds(default), longest)
        client = self.scope.get("client")
        call = Call(
            method,
            None,
            self.request_id,
            self.traceparent,
            monotonic() + seconds,
            self._authorization(),
            client[0] if client else "",
        )
        enter_call(call)
        return seconds

    async def body(self) -> bytes:
        """Returns the request's body; Problem 413 beyond the limit, 408 when it takes too long."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 9 or int(length) > BODY_BYTES):
            raise _too_large()
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if len(body) > BODY_BYTES:
                raise _too_large()
            return body
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._rest_of_body(body)
        except TimeoutError:
            raise Problem(408, "BODY_TIMEOUT", "the body did not arrive in time") from None

    async def answer(self, body: bytes, status: int = 200) -> None:
        """Sends a JSON answer."""
        await self._send_all(status, b"application/json", body, ())

    async def refuse(self, problem: Problem) -> None:
        """Sends a problem document."""
        headers = [(name.encode(), text.encode()) for name, text in problem.headers.items()]
        body = problem.document(self.request_id)
        await self._send_all(problem.status, MEDIA_TYPE.encode(), body, headers)

    async def send_watched(self, message: Any) -> None:
        """Sends an ASGI message of somebody else's answer, which gets the request id too."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            ours = (b"x-request-id", self.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), ours]}
        await self.send(message)

    async def begin_stream(self, media_type: bytes) -> None:
        """Sends the head of an answer whose body follows piece by piece."""
        self.status = 200
        headers = [
            (b"content-type", media_type),
            (b"cache-control", b"no-store"),
            # Proxies such as nginx would hold the events back otherwise.
            (b"x-accel-buffering", b"no"),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, piece: bytes, *, more: bool = True) -> None:
        """Sends a piece of the body; waits while the client reads too slowly."""
        await self.send({"type": "http.response.body", "body": piece, "more_body": more})

    async def disconnected(self) -> None:
        """Returns when the client has closed the connection; the body must have been read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _rest_of_body(self, begun: bytes) -> bytes:
        body = bytearray(begun)
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > BODY_BYTES:
                raise _too_large()
            if not message.get("more_body"):
                return bytes(body)

    async def _send_all(
        self, status: int, media_type: bytes, body: bytes, more: Iterable[tuple[bytes, bytes]]
    ) -> None:
        self.status = status
        headers = [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            # Tokens and people's own records; RFC 6749, section 5.1 demands it of the former.
            (b"cache-control", b"no-store"),
            (b"x-request-id", self.request_id.encode()),
            *more,
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _asked_seconds(self, default: float) -> float:
        asked = self.headers.get(b"x-request-timeout")
        if asked is None:
            return default
        if not _TIMEOUT.fullmatch(asked) or float(asked) <= 0:
            detail = "the header X-Request-Timeout: expected seconds such as 2.5"
            raise Problem(400, "FIELD_INVALID", detail)
        return float(asked)

    def _authorization(self) -> str | None:
        value = self.headers.get(b"authorization")
        if value is None:
            return None
        # What gRPC could not carry as metadata is no token either.
        if not _VISIBLE.fullmatch(value):
            raise Problem(
                401,
                "TOKEN_INVALID",
                "the Authorization header has other characters than visible ASCII",
                headers={"www-authenticate": "Bearer"},
            )
        return value.decode("ascii")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _too_large() -> Problem:
    return Problem(413, "MESSAGE_TOO_LARGE", f"the body is larger than {BODY_BYTES} bytes")
