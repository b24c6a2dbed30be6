"""What answers a matched request: one endpoint per binding, everything but the call decided before.

A unary endpoint makes the message, calls, and answers with JSON; a streaming one hands the call's
messages to the event streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import grpc
import orjson
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.binding import Binding
from gateway.callers import Callers, take_ticket
from gateway.exchange import CALL_SECONDS, LONGEST_CALL_SECONDS, Exchange
from gateway.routes import Route, RouteTable
from gateway.streams import RESUME_TOKEN, STREAM_SECONDS, EventStreams, Format, event_format
from gateway.transcoding import Decoders, Encode, Encoders
from servicekit.errors import Unauthenticated

AUTH_PACKAGE = "gpuaas.auth.v1"

Channels = Callable[[str], grpc.aio.Channel]
"""Gives the channel to the service of a proto package; KeyError where there is none."""


class Endpoint(Protocol):
    """Answers the requests of one binding."""

    route: Route

    async def serve(self, exchange: Exchange, path: Mapping[str, str]) -> None:
        """Answers; raises a Failure or Problem as long as nothing was sent."""


class UnaryEndpoint:
    """One request, one message, one answer."""

    def __init__(
        self, route: Route, channel: grpc.aio.Channel, codecs: Codecs, callers: Callers
    ) -> None:
        self.route = route
        self._callers = callers
        self._to_auth = is_auths(route.method)
        self._method = rpc_name(route.method)
        self._binding = Binding(route, codecs.decoders)
        self._call = channel.unary_unary(self._method, **serializers(route.method))
        self._encode = _answer_encoder(route, codecs.encoders)

    async def serve(self, exchange: Exchange, path: Mapping[str, str]) -> None:
        """Answers with the response, or the field of it that the binding names."""
        body = await exchange.body()
        scope = exchange.scope
        message = self._binding.message(path, scope["query_string"], exchange.headers, body)
        try:
            response = await self._ask(exchange, message)
        except Unauthenticated:
            # The token that stands for an API key may have been ended before its time.
            if not self._callers.forget(exchange):
                raise
            response = await self._ask(exchange, message)
        await exchange.answer(orjson.dumps(self._encode(response)))

    async def _ask(self, exchange: Exchange, message: Any) -> Any:
        seconds = exchange.begin_call(self._method, CALL_SECONDS, LONGEST_CALL_SECONDS)
        metadata = await self._callers.introduce(exchange, to_auth=self._to_auth)
        return await self._call(message, timeout=seconds, metadata=metadata)


class StreamEndpoint:
    """One request, and messages as server-sent events until somebody ends them."""

    def __init__(
        self,
        route: Route,
        channel: grpc.aio.Channel,
        codecs: Codecs,
        streams: EventStreams,
        callers: Callers,
    ) -> None:
        self.route = route
        self._callers = callers
        self._to_auth = is_auths(route.method)
        self._method = rpc_name(route.method)
        self._binding = Binding(route, codecs.decoders)
        self._call = channel.unary_stream(self._method, **serializers(route.method))
        self._format: Format = event_format(route.method.output_type, codecs.encoders)
        self._resumes = RESUME_TOKEN in route.method.input_type.fields_by_name
        self._streams = streams

    async def serve(self, exchange: Exchange, path: Mapping[str, str]) -> None:
        """Streams; the header Last-Event-ID fills the request's resume token.

        A browser's EventSource cannot send a token: a ticket in the query stands for it.
        """
        body = await exchange.body()
        ticket, query = take_ticket(exchange.scope["query_string"])
        message = self._binding.message(path, query, exchange.headers, body)
        last = exchange.headers.get(b"last-event-id")
        if last and self._resumes:
            # A browser that reconnects repeats its first URL, token included: the header is newer.
            message.resume_token = last.decode("latin-1")
        seconds = exchange.begin_call(self._method, STREAM_SECONDS, STREAM_SECONDS)
        if ticket is not None:
            await self._callers.redeem(exchange, ticket)
        try:
            await self._stream(exchange, message, seconds)
        except Unauthenticated:
            # As with one answer: the token that stands for an API key may have been ended.
            if not self._callers.forget(exchange):
                raise
            await self._stream(exchange, message, seconds)

    async def _stream(self, exchange: Exchange, message: Any, seconds: float) -> None:
        metadata = await self._callers.introduce(exchange, to_auth=self._to_auth)
        call = self._call(message, timeout=seconds, metadata=metadata)
        await self._streams.serve(exchange, call, self._format)


class Codecs:
    """The compiled encoders and decoders that all endpoints share."""

    def __init__(self) -> None:
        self.encoders = Encoders()
        self.decoders = Decoders()


def endpoint_table(
    routes: Iterable[Route], channels: Channels, streams: EventStreams, callers: Callers
) -> RouteTable[Endpoint]:
    """Returns the table of all endpoints; RouteConflict or ValueError for a bad contract."""
    table: RouteTable[Endpoint] = RouteTable()
    codecs = Codecs()
    for route in routes:
        channel = channels(route.method.containing_service.file.package)
        if route.method.client_streaming:
            raise ValueError(f"{route.key}: a stream of requests has no HTTP form")
        if route.method.server_streaming:
            table.add(route, StreamEndpoint(route, channel, codecs, streams, callers))
        else:
            table.add(route, UnaryEndpoint(route, channel, codecs, callers))
    return table


def is_auths(method: MethodDescriptor) -> bool:
    """Tells whether auth_service serves the method: it alone wants to know the client's address."""
    return method.containing_service.file.package == AUTH_PACKAGE


def rpc_name(method: MethodDescriptor) -> str:
    """Returns the method's path on the wire: `/package.Service/Method`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def serializers(method: MethodDescriptor) -> dict[str, Callable[[Any], Any]]:
    """Returns the arguments by which a channel writes requests and reads responses."""
    request = GetMessageClass(method.input_type)
    return {
        "request_serializer": request.SerializeToString,
        "response_deserializer": GetMessageClass(method.output_type).FromString,
    }


def _answer_encoder(route: Route, encoders: Encoders) -> Encode:
    output = route.method.output_type
    if not route.response_body:
        return encoders.of(output)
    field = output.fields_by_name.get(route.response_body)
    if field is None:
        raise ValueError(f"{route.key} answers with {route.response_body!r}, which is no field")
    name, encode = field.name, encoders.of_field(field)
    if encode is None:
        return lambda response: getattr(response, name)
    return lambda response: encode(getattr(response, name))
