"""Whether the services behind the gateway serve, by the gRPC health protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import grpc
from grpc_health.v1 import health_pb2

from servicekit.errors import Failure

CHECK_SECONDS = 1.0
REPORT_SECONDS = 1.0
"""So long is a report shown again, so that probes do not become load on the services."""

SERVING = "serving"
NOT_SERVING = "not serving"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Report:
    """State of each service by name; `ready` is whether to send requests here."""

    services: Mapping[str, str]
    draining: bool

    @property
    def healthy(self) -> bool:
        """Whether every service serves."""
        return all(state == SERVING for state in self.services.values())

    @property
    def ready(self) -> bool:
        """Whether every service serves and the gateway is not about to go."""
        return self.healthy and not self.draining


class Health:
    """Asks the services, all at once and not more often than once a second."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._checks = {
            name: channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            for name, channel in channels.items()
        }
        self._states: Mapping[str, str] = {}
        self._stale_at = 0.0
        self._asking = asyncio.Lock()
        self.draining = False

    async def report(self) -> Report:
        """Returns the states as of now, or as of less than a second ago."""
        async with self._asking:
            if monotonic() >= self._stale_at:
                states = await asyncio.gather(*(self._state(name) for name in self._checks))
                self._states = dict(zip(self._checks, states, strict=True))
                self._stale_at = monotonic() + REPORT_SECONDS
        return Report(self._states, self.draining)

    async def _state(self, name: str) -> str:
        try:
            answer = await self._checks[name](
                health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS
            )
        except (Failure, grpc.aio.AioRpcError):
            return UNREACHABLE
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return SERVING if serving else NOT_SERVING
