"""A channel to another service: deadlines, read-only retries, metadata, and errors as `Failure`s.

It is a `grpc.aio.Channel`, so generated stubs work over it. It wraps the methods themselves instead
of using grpc.aio's interceptors, which cost a task and several futures for every call.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from servicekit.client.calls import single, streaming
from servicekit.client.departure import Departure, TokenSource
from servicekit.relay import Relay, relayed
from servicekit.tls import PLAINTEXT, Tls

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_METADATA_BYTES = 8 * 1024

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # A frozen peer is noticed after 5 + 3 seconds; without the last of the three after 60.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted peer, which refuses connections meanwhile, is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Also how long one attempt may take: a busy peer may be slow to take up a connection.
    ("grpc.min_reconnect_backoff_ms", 5_000),
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
    departure = Departure(target, token, on_refused, over_tls=credentials is not None)
    return ServiceChannel(
        channel, departure, reads, cap.total_seconds(), stream_cap.total_seconds()
    )


def read_only_methods(services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """Returns "/package.Service/Method" of each method that the contract calls NO_SIDE_EFFECTS."""
    return frozenset(
        f"/{service.full_name}/{method.name}"
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    )


class ServiceChannel(grpc.aio.Channel):
    """What `connect` returns. Calls raise `servicekit.errors.Failure`, streams while iterated.

    Attributes:
        relay: what carries calls with one answer while somebody keeps it open.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        departure: Departure,
        reads: frozenset[str],
        cap: float,
        stream_cap: float,
    ) -> None:
        self.relay = Relay(channel, departure.target)
        self._channel = channel
        self._reads = reads
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
        if request_serializer is not None and response_deserializer is not None:
            converters = request_serializer, response_deserializer
            send = relayed(method, send, self.relay, *converters, repeats=method in self._reads)
        return single(method, send, self._departure, self._cap)

    def stream_unary(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends an iterator of requests and awaits one answer."""
        send = self._channel.stream_unary(method, request_serializer, response_deserializer)
        return single(method, send, self._departure, self._cap)

    def unary_stream(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends one request and gives a `ResponseStream`."""
        send = self._channel.unary_stream(method, request_serializer, response_deserializer)
        return streaming(method, send, self._departure, self._stream_cap)

    def stream_stream(
        self,
        method: str,
        request_serializer: Convert = None,
        response_deserializer: Convert = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Returns a callable that sends an iterator of requests and gives a `ResponseStream`."""
        send = self._channel.stream_stream(method, request_serializer, response_deserializer)
        return streaming(method, send, self._departure, self._stream_cap)

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


def _service_config(reads: frozenset[str]) -> str:
    """Returns gRPC's own retry configuration; it costs nothing per call."""
    paths = (read.strip("/").partition("/") for read in sorted(reads))
    names = [{"service": service, "method": method} for service, _, method in paths]
    if not names:
        return "{}"
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}]})
