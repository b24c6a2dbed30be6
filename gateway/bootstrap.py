"""Puts the gateway together: contracts, channels, endpoints, pages, server."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from starlette.middleware.cors import CORSMiddleware

from gateway.callers import Callers
from gateway.config import Settings
from gateway.contracts import load_contracts
from gateway.endpoints import AUTH_PACKAGE, endpoint_table
from gateway.exchange import LONGEST_CALL_SECONDS
from gateway.health import Health
from gateway.http import Application, Door
from gateway.openapi import openapi_document
from gateway.pages import pages
from gateway.routes import routes_of
from gateway.server import DrainingServer, listening_socket
from gateway.streams import STREAM_SECONDS, EventStreams
from servicekit import failpoints, logs
from servicekit.client import ServiceChannel, connect, read_only_methods
from servicekit.clock import SystemClock
from servicekit.errors import Unauthenticated
from servicekit.loops import Work, looping
from servicekit.metrics import serve_metrics
from servicekit.process import spare_the_collector
from servicekit.relay import Relay
from servicekit.tls import Tls, https_context

SERVICE = "gateway"
TITLE = "GPU as a Service"
VERSION = "v1"


class Gateway:
    """Everything that one gateway is made of; `application` is its ASGI application."""

    def __init__(self, settings: Settings) -> None:
        contracts = load_contracts()
        routes = list(routes_of(contracts.services))
        self._streams = EventStreams()
        self._channels = _connect(settings, contracts.services)
        self._health = Health({_context(package): c for package, c in self._channels.items()})
        self._callers = callers = _callers(settings, self._channels[AUTH_PACKAGE])
        self._has_account = bool(settings.service_password.get_secret_value())
        table = endpoint_table(routes, self._channels.__getitem__, self._streams, callers)
        document = openapi_document(contracts, routes, title=TITLE, version=VERSION)
        # In production METRICS_LISTEN shows them, on an address that only the collector reaches.
        metrics = not settings.production
        fixed = pages(self._health, document, title=TITLE, version=VERSION, metrics=metrics)
        self.application = _with_cors(Door(table, fixed), settings.origins)

    def works(self) -> dict[str, Work]:
        """Returns what goes on as long as it serves: a relay to each service.

        Without an account of its own the gateway may open none, and makes each call by itself.
        """
        if not self._has_account:
            return {}
        return {
            f"relay to {_context(package)}": partial(self._keep_open, channel.relay)
            for package, channel in self._channels.items()
        }

    async def _keep_open(self, relay: Relay) -> None:
        try:
            await relay.keep_open(self._callers.own)
        except Unauthenticated:
            self._callers.own.refused()
            raise

    def drain(self) -> None:
        """Is not ready any more and ends the streams; other requests are still answered."""
        self._health.draining = True
        self._streams.end_all()

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; ConfigurationError for an address that is taken."""
    logs.configure(SERVICE, settings.log_level)
    failpoints.configure(settings.failpoints)
    listener = listening_socket(settings.listen)
    serve_metrics(settings.metrics_listen)
    https = https_of(settings)
    gateway = Gateway(settings)
    server = DrainingServer(gateway.application, gateway.drain, https)
    spare_the_collector()
    host, port = listener.getsockname()[:2]
    logs.logger(__name__).info("listening", host=host, port=port)
    try:
        async with looping(gateway.works()):
            await server.serve(sockets=[listener])
    finally:
        await gateway.close()


def _connect(
    settings: Settings, services: Iterable[ServiceDescriptor]
) -> Mapping[str, ServiceChannel]:
    """Returns the channel to the service of each proto package."""
    reads = read_only_methods(services)
    targets = {
        AUTH_PACKAGE: settings.auth_target,
        "gpuaas.job.v1": settings.job_target,
        "gpuaas.scheduler.v1": settings.scheduler_target,
    }
    return {
        package: connect(
            target,
            reads=reads,
            cap=timedelta(seconds=LONGEST_CALL_SECONDS),
            stream_cap=timedelta(seconds=STREAM_SECONDS),
            tls=Tls.of(settings),
        )
        for package, target in targets.items()
    }


def _callers(settings: Settings, auth: ServiceChannel) -> Callers:
    password = settings.service_password.get_secret_value()
    return Callers(auth, settings.service_account, password, settings.proxies, SystemClock())


def https_of(settings: Settings) -> ssl.SSLContext | None:
    """Returns what serves HTTPS, or None for HTTP."""
    if settings.http_certificate is None or settings.http_key is None:
        return None
    return https_context(settings.http_certificate, settings.http_key)


def _context(package: str) -> str:
    """Returns the bounded context of a package: `auth` of `gpuaas.auth.v1`."""
    return package.split(".")[1]


def _with_cors(door: Door, origins: list[str]) -> Application:
    if not origins:
        return door
    settings: dict[str, Any] = {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": [
            "authorization",
            "content-type",
            "idempotency-key",
            "last-event-id",
            "traceparent",
            "x-request-id",
            "x-request-timeout",
        ],
        "expose_headers": ["x-request-id", "retry-after"],
    }
    return CORSMiddleware(door, **settings)
