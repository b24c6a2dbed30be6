"""A gRPC server as every service runs it: health, reflection, keepalive, drain on SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeAlias, cast

import grpc
import uvloop
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from servicekit.client import MAX_MESSAGE_BYTES, MAX_METADATA_BYTES
from servicekit.config import ConfigurationError, exit_with, host_and_port
from servicekit.interceptors import Edge
from servicekit.relay import RELAY_SERVICE, RelayServicer
from servicekit.tls import PLAINTEXT, Tls

MAX_CONCURRENT_CALLS = 10_000

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    # Clients ping idle streams; without these two the third ping would end the connection.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A frozen client is noticed after 30 + 5 seconds; all three are needed for that.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Equal, since between the two sizes a call is refused only sometimes.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    # Sharing would hide that another process has the port already.
    ("grpc.so_reuseport", 0),
)

HEALTH_INTERVAL_SECONDS = 1.0
HEALTH_PATIENCE_SECONDS = 3.0

Healthy: TypeAlias = Callable[[], Awaitable[bool]]
"""Tells whether what a service depends on is there."""

_log = logging.getLogger(__name__)
# Generated without types; reflection's own function would take a true server only.
_add_reflection: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Server:
    """Serves the added services behind one edge.

    Use: `add` each service, `listen`, `start`, then `serve_until_signalled`. Health is SERVING
    from `start` on, for the whole ("") and for each service.
    """

    def __init__(
        self,
        edge: Edge,
        *,
        grace: timedelta = timedelta(seconds=10),
        options: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self._edge = edge
        self._grace = grace.total_seconds()
        self._server = grpc.aio.server(
            options=list((dict(SERVER_OPTIONS) | dict(options)).items()),
            maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        )
        self._health = health.aio.HealthServicer()
        self._services: list[str] = [""]
        self._health_check: asyncio.Task[None] | None = None
        self._registry = edge.before(self._server)
        self._guarded = cast("grpc.aio.Server", self._registry)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._guarded)
        RelayServicer(self._registry.handlers, edge.ending_itself).register(self._guarded)

    def add(
        self,
        service: ServiceDescriptor,
        register: Callable[[Any, Any], None],
        servicer: object,
    ) -> None:
        """Adds one service: descriptor, generated `add_...Servicer_to_server`, servicer."""
        register(servicer, self._guarded)
        self._services.append(service.full_name)

    def listen(self, address: str, tls: Tls = PLAINTEXT) -> int:
        """Binds "host:port" (port 0: any free one) and returns the port.

        Raises:
            ConfigurationError: the address is none or cannot be bound, or a certificate is unfit.
        """
        credentials = tls.server_credentials()
        try:
            host_and_port(address)
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except (ValueError, RuntimeError) as error:
            reason = str(error) if isinstance(error, ValueError) else "is the port taken?"
            raise ConfigurationError(f"cannot listen on {address}: {reason}") from None

    async def start(self, healthy: Healthy | None = None) -> None:
        """Starts serving, and says so; from then on health follows what ``healthy`` answers.

        Raises:
            TypeError: a service was registered in a way that nobody could call it.
        """
        own = (health.SERVICE_NAME, reflection.SERVICE_NAME, RELAY_SERVICE.full_name)
        names = (*self._services[1:], *own)
        _add_reflection(reflection.aio.ReflectionServicer(names), self._guarded)
        self._registry.check()
        await self.set_serving(serving=True)
        await self._server.start()
        if healthy is not None:
            self._health_check = asyncio.create_task(self._follow(healthy))

    async def set_serving(self, *, serving: bool) -> None:
        """Tells the health protocol whether calls make sense now; a drain cannot be taken back."""
        status = _SERVING if serving else _NOT_SERVING
        for service in self._services:
            await self._health.set(service, status)

    async def _follow(self, healthy: Healthy) -> None:
        """Says NOT_SERVING while what the service depends on is away."""
        serving = True
        while True:
            await asyncio.sleep(HEALTH_INTERVAL_SECONDS)
            if serving != await _answer(healthy):
                serving = not serving
                _log.warning("health changed: %s", "SERVING" if serving else "NOT_SERVING")
                await self.set_serving(serving=serving)

    async def serve_until_signalled(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains."""
        loop = asyncio.get_running_loop()
        signalled = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled.set)
        try:
            await signalled.wait()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        _log.info("draining")
        await self.drain()

    async def drain(self) -> None:
        """Says NOT_SERVING, ends streams, refuses new calls, lets running ones finish in grace."""
        if self._health_check is not None:
            self._health_check.cancel()
        await self._health.enter_graceful_shutdown()
        self._edge.end_streams()
        await self._server.stop(self._grace)
        self._edge.flush_reports()


async def _answer(healthy: Healthy) -> bool:
    """What the check says; one that hangs says no."""
    try:
        async with asyncio.timeout(HEALTH_PATIENCE_SECONDS):
            return await healthy()
    except TimeoutError:
        return False


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a process's main coroutine; a ConfigurationError ends it with its message and code 2."""
    try:
        uvloop.run(main())
    except ConfigurationError as error:
        exit_with(error)
