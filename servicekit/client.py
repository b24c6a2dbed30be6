"""A channel to another service: deadlines, read-only retries, metadata, and errors as `Failure`s.

It is a `grpc.aio.Channel`, so generated stubs work over it. It wraps the methods themselves instead
of using grpc.aio's interceptors, which cost a task and several futures for every call.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from servicekit.call import call_or_none
from servicekit.errors import DeadlineExceeded, Failure, Unauthenticated
from servicekit.failpoints import afailpoint
from servicekit.ids import child_traceparent, new_id
from servicekit.statuses import failure_from_rpc
from servicekit.tls import PLAINTEXT, Tls

TokenSource: TypeAlias = Callable[[], Awaitable[str]]
"""Gives the service's own bearer token, a valid one at each call."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_METADATA_BYTES = 8 * 1024

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # A frozen peer is noticed after 5 + 3 seconds; without the last of the three after 60.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted peer is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
    # Services of one system are not behind a proxy, nor is their configuration in DNS.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
)

_RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
Convert: TypeAlias = Callable[[Any], Any] | None


def connect(
    target: str,
    *,
    reads: frozenset[str] = frozenset(),
    token: TokenSource | None = None,
    on_refused: Callable[[], None] | None = None,
    tls: Tls = PLAINTEXT,
    cap: timedelta = timedelta(seconds=10),
    stream_cap: timedelta = timedelta(hours=1),
    options: Sequence[tuple[str, Any]] = (),
) -> "ServiceChannel":
    """Returns a channel to `target` (host:port); it connects by itself and again after a loss.

    `reads` (see `read_only_methods`) are repeated while the peer is UNAVAILABLE, nothing else is.
    Every call ends after `cap`, every stream after `stream_cap`, and not later than the call
    being served. `token` speaks for the service itself, and `on_refused` hears when that token is
    not accepted; without it the caller's own token goes on.

    Raises:
        ConfigurationError: a file that `tls` names is unfit.
    """
    # Of two options of one name gRPC takes the first, so they are merged here.
    merged = dict(CHANNEL_OPTIONS) | {"grpc.service_config": _service_config(reads)} | dict(options)
    credentials = tls.channel_credentials()
    if credentials is None:
        channel = grpc.aio.insecure_channel(target, options=list(merged.items()))
    else:
        channel = grpc.aio.secure_channel(target, credentials, options=list(merged.items()))
    departure = _Departure(token, on_refused)
    return ServiceChannel(channel, departure, cap.total_seconds(), stream_cap.total_seconds())


def read_only_methods(services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """Returns "/package.Service/Method" of each method that the contract calls NO_SIDE_EFFECTS."""
    return frozenset(
        f"/{service.full_name}/{method.name}"
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    )


class ServiceChannel(grpc.aio.Channel):
    """What `connect` returns. Calls raise `servicekit.errors.Failure`, streams while iterated."""

    def __init__(
        self, channel: grpc.aio.Channel, departure: "_Departure", cap: float, stream_cap: float
    ) -> None:
        self._channel = channel
        self._departure = departure
        self._cap = cap
        self._stream_cap = stream_cap

    def unary_unary(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends one request and awaits one answer."""
        send = self._channel.unary_unary(method, request_serializer, response_deserializer)
        return _single(method, send, self._departure, self._cap)

    def stream_unary(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends an iterator of requests and awaits one answer."""
        send = self._channel.stream_unary(method, request_serializer, response_deserializer)
        return _single(method, send, self._departure, self._cap)

    def unary_stream(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends one request and gives a `ResponseStream`."""
        send = self._channel.unary_stream(method, request_serializer, response_deserializer)
        return _streaming(method, send, self._departure, self._stream_cap)

    def stream_stream(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends an iterator of requests and gives a `ResponseStream`."""
        send = self._channel.stream_stream(method, request_serializer, response_deserializer)
        return _streaming(method, send, self._departure, self._stream_cap)

    async def close(self, grace: float | None = None) -> None:
        """Closes the connection; calls still open after `grace` seconds are cancelled."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Returns whether there is a connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another one."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when there is a connection."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class ResponseStream:
    """The answers of one streaming call, opened at the first; `cancel` ends it from this side.

    Awaiting an answer and giving up on it (a timeout around one step) cancels the whole stream.
    """

    def __init__(
        self,
        name: str,
        opening: Callable[[], Awaitable[Any]],
        failed: Callable[[grpc.aio.AioRpcError], Failure],
    ) -> None:
        self._name = name
        self._opening = opening
        self._failed = failed
        self._call: Any = None
        self._answers: AsyncIterator[Any] | None = None
        self._cancelled = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._cancelled:
            raise StopAsyncIteration
        try:
            if self._answers is None:
                self._answers = await self._open()
            return await anext(self._answers)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except StopAsyncIteration:
            await afailpoint(f"rpc.{self._name}.after")
            raise
        except asyncio.CancelledError:
            if self._cancelled:
                raise StopAsyncIteration from None
            raise

    def cancel(self) -> None:
        """Ends the stream; whoever iterates it sees its end."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def _open(self) -> AsyncIterator[Any]:
        await afailpoint(f"rpc.{self._name}.before")
        self._call = await self._opening()
        answers: AsyncIterator[Any] = aiter(self._call)
        return answers


class _Departure:
    """What each call takes along: a deadline, the ids of the call being served, a token."""

    def __init__(self, token: TokenSource | None, on_refused: Callable[[], None] | None) -> None:
        self._token = token
        self._on_refused = on_refused

    def failed(self, error: grpc.aio.AioRpcError) -> Failure:
        """Returns what a call failed with, and tells who has to know."""
        failure = failure_from_rpc(error)
        if self._on_refused is not None and isinstance(failure, Unauthenticated):
            self._on_refused()
        return failure

    def seconds(self, timeout: float | None, cap: float) -> float:
        """Returns how long the call may take; DeadlineExceeded if there is no time left."""
        seconds = cap if timeout is None else min(timeout, cap)
        call = call_or_none()
        if call is not None and call.deadline is not None:
            seconds = min(seconds, call.deadline - monotonic())
        if seconds <= 0:
            raise DeadlineExceeded("no time is left for another call")
        return seconds

    async def metadata(self, given: Metadata | None) -> Metadata:
        """Returns the caller's own metadata, completed; what is given is not replaced."""
        call = call_or_none()
        headers: dict[str, str | bytes] = {
            "x-request-id": (call.request_id if call else "") or new_id(),
            "traceparent": child_traceparent(call.traceparent if call else None),
        }
        if self._token is not None:
            headers["authorization"] = f"Bearer {await self._token()}"
        elif call is not None and call.authorization is not None:
            headers["authorization"] = call.authorization
        for key, _ in given or ():
            headers.pop(key, None)
        return (*headers.items(), *(given or ()))


def _single(method: str, send: Any, departure: _Departure, cap: float) -> Any:
    name = method.rpartition("/")[2]
    before, after = f"rpc.{name}.before", f"rpc.{name}.after"

    async def call(
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC's own name and meaning
        metadata: Metadata | None = None,
        **rest: Any,
    ) -> Any:
        await afailpoint(before)
        headers = await departure.metadata(metadata)
        seconds = departure.seconds(timeout, cap)
        try:
            response = await send(request, timeout=seconds, metadata=headers, **rest)
        except grpc.aio.AioRpcError as error:
            raise departure.failed(error) from error
        await afailpoint(after)
        return response

    return call


def _streaming(method: str, send: Any, departure: _Departure, cap: float) -> Any:
    name = method.rpartition("/")[2]

    def call(
        request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **rest: Any
    ) -> ResponseStream:
        async def opening() -> Any:
            headers = await departure.metadata(metadata)
            seconds = departure.seconds(timeout, cap)
            return send(request, timeout=seconds, metadata=headers, **rest)

        return ResponseStream(name, opening, departure.failed)

    return call


def _service_config(reads: frozenset[str]) -> str:
    """Returns gRPC's own retry configuration; it costs nothing per call."""
    paths = (read.strip("/").partition("/") for read in sorted(reads))
    names = [{"service": service, "method": method} for service, _, method in paths]
    if not names:
        return "{}"
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}]})
