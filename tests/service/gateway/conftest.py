"""A gateway on a true port, in front of true gRPC servers with canned behaviour."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from gateway.bootstrap import Gateway, https_of
from gateway.config import Settings
from gateway.server import DrainingServer, listening_socket
from servicekit.loops import looping
from tests.service.gateway.services import Witness, servers

PATIENCE_S = 30.0


class House:
    """The running gateway: `client` speaks to it over HTTP, `witness` saw what it called."""

    def __init__(self, witness: Witness, services: Mapping[str, Any]) -> None:
        self.witness = witness
        self.services = services
        self.targets: dict[str, Any] = {}
        self.address = ("", 0)
        self.gateway: Gateway
        self.client: httpx.AsyncClient

    async def start(self, **settings: Any) -> None:
        """Starts the services, then the gateway before them."""
        for name, server in self.services.items():
            self.targets[f"{name}_target"] = f"127.0.0.1:{server.listen('127.0.0.1:0')}"
            await server.start()
        chosen = Settings(**self.targets, **settings)
        self.gateway = Gateway(chosen)
        listener = listening_socket("127.0.0.1:0")
        self.address = listener.getsockname()
        self._server = DrainingServer(
            self.gateway.application, self.gateway.drain, https_of(chosen)
        )
        self._serving = asyncio.create_task(self._serve(listener))
        await until(lambda: self._server.started)
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.address[1]}", timeout=PATIENCE_S
        )

    async def _serve(self, listener: socket.socket) -> None:
        async with looping(self.gateway.works()):
            await self._server.serve(sockets=[listener])

    async def stop(self) -> None:
        """Stops all as a signal would."""
        await self.client.aclose()
        self.gateway.drain()
        self._server.should_exit = True
        await self._serving
        await self.gateway.close()
        for server in self.services.values():
            await server.drain()


async def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as the condition holds; TimeoutError if it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing tells us when uvicorn is ready
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[House]:
    """Gives a gateway with these settings."""
    witness = Witness()
    house = House(witness, servers(witness))
    await house.start(**settings)
    try:
        yield house
    finally:
        await house.stop()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A gateway with default settings."""
    async with running() as house:
        yield house


@pytest.fixture
def client(house: House) -> httpx.AsyncClient:
    """An HTTP client of the gateway."""
    return house.client


@pytest.fixture
def witness(house: House) -> Witness:
    """What reached the services."""
    return house.witness
