"""A true auth_service on a free port, and what tests ask of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest

from auth_service.bootstrap import Service, running
from auth_service.config import Settings
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from servicekit import migrations
from servicekit.clock import Clock
from servicekit.errors import Failure
from servicekit.statuses import failure_from_rpc

if TYPE_CHECKING:
    from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

PASSWORD = "correct horse battery"

Metadata: TypeAlias = list[tuple[str, str]]


@dataclass
class House:
    """A running service with a client."""

    service: Service
    channel: grpc.aio.Channel
    stub: "AuthServiceAsyncStub"

    async def register(self, username: str = "Ada", **fields: str) -> pb.RegisterResponse:
        """Registers a user with the usual password."""
        request = pb.RegisterRequest(**{"username": username, "password": PASSWORD, **fields})
        return await self.stub.Register(request)

    async def login(self, username: str = "Ada", password: str = PASSWORD) -> pb.LoginResponse:
        """Signs in."""
        return await self.stub.Login(pb.LoginRequest(username=username, password=password))

    async def current_user(self, token: str) -> pb.GetCurrentUserResponse:
        """Asks who a token stands for."""
        return await self.stub.GetCurrentUser(pb.GetCurrentUserRequest(), metadata=bearer(token))


Open: TypeAlias = Callable[..., Any]


def bearer(token: str) -> Metadata:
    """The metadata of a call with this token."""
    return [("authorization", f"Bearer {token}")]


async def failure_of(call: Any) -> Failure:
    """What a call failed with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return failure_from_rpc(raised.value)


@asynccontextmanager
async def opened(url: str, clock: Clock | None, **settings: Any) -> AsyncIterator[House]:
    """A service on this database, with fast hashes."""
    defaults: dict[str, Any] = {
        "database_url": url,
        "listen": "127.0.0.1:0",
        "bcrypt_cost": 4,
        "writer": "thread",
    }
    async with AsyncExitStack() as closing:
        service = await closing.enter_async_context(running(Settings(**defaults | settings), clock))
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{service.port}")
        await closing.enter_async_context(channel)
        yield House(service, channel, AuthServiceStub(channel))


@pytest.fixture
def open_house(sqlite_url: str) -> Open:
    """Opens the service, again and again on the same database, with settings and clock."""
    migrations.upgrade("auth_service", sqlite_url)

    def open_it(clock: Clock | None = None, **settings: Any) -> Any:
        return opened(sqlite_url, clock, **settings)

    return open_it


@pytest.fixture
async def house(open_house: Open) -> AsyncIterator[House]:
    """A service on an empty database."""
    async with open_house() as house:
        yield house
