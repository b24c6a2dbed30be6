"""A true server of the echo service on a free port, and channels to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from servicekit.client import ServiceChannel, connect
from servicekit.clock import SystemClock
from servicekit.identity import Revocations, Verifier
from servicekit.interceptors import Edge, access_table
from servicekit.server import Server
from tests.service.servicekit.echo import ACCESS, SERVICE, EchoServicer, EchoStub, register
from tests.service.servicekit.issuer import ISSUER, Issuer


class House:
    """One running server with its issuer; `stub` gives clients, `close` ends all."""

    def __init__(self, servicer: EchoServicer, options: dict[str, Any]) -> None:
        self.issuer = Issuer()
        server_options = options.pop("options", ())
        grace = {"grace": options.pop("grace")} if "grace" in options else {}
        self.revocations = Revocations(SystemClock())
        self.revocations.open()
        verifier = Verifier(self.issuer.jwks, ISSUER, revocations=self.revocations)
        self.edge = Edge(access_table([SERVICE], ACCESS), verifier, **options)
        self.server = Server(self.edge, options=server_options, **grace)
        self.server.add(SERVICE, register, servicer)
        self._stack = AsyncExitStack()

    async def start(self) -> "House":
        self.target = f"127.0.0.1:{self.server.listen('127.0.0.1:0')}"
        await self.server.start()
        return self

    def bearer(self, **claims: Any) -> tuple[tuple[str, str], ...]:
        """Returns metadata with a token of these claims."""
        return (("authorization", f"Bearer {self.issuer.token(self.issuer.claims(**claims))}"),)

    def channel(self, *, anonymous: bool = False, **options: Any) -> ServiceChannel:
        """Returns a channel that carries a user's token unless told otherwise."""
        if not anonymous and "token" not in options:
            text = self.issuer.token()

            async def token() -> str:
                return text

            options["token"] = token
        channel = connect(self.target, **options)
        self._stack.push_async_callback(channel.close)
        return channel

    def stub(self, **options: Any) -> EchoStub:
        """Returns the service's client over a channel of its own."""
        return EchoStub(self.channel(**options))

    async def close(self) -> None:
        await self._stack.aclose()
        await self.server.drain()


@pytest.fixture
async def open_house() -> AsyncIterator[Callable[..., Any]]:
    """Returns an async function that starts a server: `methods` replace the servicer's own."""
    async with AsyncExitStack() as stack:

        async def start(options: dict[str, Any] | None = None, **methods: Any) -> House:
            house = await House(EchoServicer(**methods), dict(options or {})).start()
            stack.push_async_callback(house.close)
            return house

        yield start
