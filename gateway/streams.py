"""Server-streaming RPCs as server-sent events that a browser's EventSource resumes by itself.

A response with a repeated message field (`events`, `lines`) becomes one SSE message for each of
its elements: `id` is the resume token after that element, `event` its kind, `data` its JSON.
A response without elements - a bookmark - becomes a comment that brings the newer id. An error
after the start is a message `event: error` whose data is the problem document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.exchange import Exchange
from gateway.problems import Problem
from gateway.transcoding import Encoders
from gateway.transcoding.encoder import is_map
from servicekit.errors import Failure, Unavailable

MEDIA_TYPE = b"text/event-stream; charset=utf-8"
RESUME_TOKEN = "resume_token"  # noqa: S105 - the name of a field
OPENING_SECONDS = 1.0
"""So long is an early refusal waited for, which is still an HTTP status; then the stream opens."""

STREAM_SECONDS = 3600.0
"""After so long a stream ends and its reader resumes it, with a token that is valid then."""

Format = Callable[[Any], bytes]
"""One response message as the bytes of its SSE messages."""


class EventStreams:
    """Writes RPC streams to clients, and ends all of them when the gateway drains."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._drain = asyncio.Event()

    def end_all(self) -> None:
        """Ends every open stream, and each later one at once; clients resume at another gateway."""
        self._drain.set()
        for task in self._open:
            task.cancel()

    async def serve(self, exchange: Exchange, call: Any, to_events: Format) -> None:
        """Writes `call`'s messages until it ends, the client goes, or the gateway drains.

        Raises:
            Failure: the RPC was refused before anything was written.
        """
        if self._drain.is_set():
            call.cancel()
            raise Unavailable("the gateway is going away")
        writing = asyncio.ensure_future(_write(exchange, call, to_events))
        leaving = asyncio.ensure_future(exchange.disconnected())
        self._open.add(writing)
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(writing)
            for task in (writing, leaving):
                task.cancel()
            # An RPC that nobody reads any more must not go on at the service.
            call.cancel()
            await asyncio.wait({writing, leaving})
        if not writing.cancelled():
            writing.result()
        elif self._drain.is_set() and exchange.status:
            await exchange.write(b": the gateway is going away\n\n", more=False)


async def _write(exchange: Exchange, call: Any, to_events: Format) -> None:
    answers = aiter(call)
    first = asyncio.ensure_future(anext(answers, None))
    try:
        await asyncio.wait({first}, timeout=OPENING_SECONDS)
        if first.done():
            first.result()
        await exchange.begin_stream(MEDIA_TYPE)
        answer = await first
        while answer is not None:
            await exchange.write(to_events(answer))
            answer = await anext(answers, None)
    except Failure as failure:
        if not exchange.status:
            raise
        problem = Problem.of(failure).document(exchange.request_id)
        await exchange.write(b"event: error\ndata: " + problem + b"\n\n", more=False)
    else:
        await exchange.write(b"", more=False)
    finally:
        first.cancel()


def event_format(descriptor: Descriptor, encoders: Encoders) -> Format:
    """Returns what writes responses of this type as SSE messages."""
    batch = next((field for field in descriptor.fields if _is_batch(field)), None)
    has_token = RESUME_TOKEN in descriptor.fields_by_name
    if batch is None or batch.message_type is None:
        return _whole(encoders.of(descriptor), has_token=has_token)
    name, encode = batch.name, encoders.of(batch.message_type)
    token_of = _reader_of_token(batch.message_type)
    kind_of = _reader_of_kind(batch.message_type)

    def to_events(answer: Any) -> bytes:
        token = answer.resume_token if has_token else ""
        elements = getattr(answer, name)
        if not elements:
            return _message(b":\n", token, b"")
        last = len(elements) - 1
        return b"".join(
            _message(
                kind_of(element),
                token_of(element) or (token if index == last else ""),
                b"data: %s\n" % orjson.dumps(encode(element)),
            )
            for index, element in enumerate(elements)
        )

    return to_events


def _whole(encode: Callable[[Any], Any], *, has_token: bool) -> Format:
    return lambda answer: _message(
        b"",
        answer.resume_token if has_token else "",
        b"data: %s\n" % orjson.dumps(encode(answer)),
    )


def _message(first: bytes, token: str, data: bytes) -> bytes:
    identity = b"id: %s\n" % token.encode() if token else b""
    return b"%s%s%s\n" % (first, identity, data)


def _is_batch(field: FieldDescriptor) -> bool:
    return field.is_repeated and field.message_type is not None and not is_map(field)


def _reader_of_token(descriptor: Descriptor) -> Callable[[Any], str]:
    if RESUME_TOKEN not in descriptor.fields_by_name:
        return lambda element: ""
    return attrgetter(RESUME_TOKEN)


def _reader_of_kind(descriptor: Descriptor) -> Callable[[Any], bytes]:
    """Returns what writes `event: STARTED` for an element with `kind` KIND_STARTED."""
    field = descriptor.fields_by_name.get("kind")
    if field is None or field.enum_type is None:
        return lambda element: b""
    lines = {
        value.number: b"event: %s\n" % value.name.removeprefix("KIND_").encode()
        for value in field.enum_type.values
    }
    return lambda element: lines.get(element.kind, b"")
