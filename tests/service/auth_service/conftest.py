"""A true auth_service on a free port, and what tests ask of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest
import sqlalchemy as sa

from auth_service.bootstrap import Service, running
from auth_service.config import Settings
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceStub
from servicekit import migrations
from servicekit.clock import Clock
from servicekit.errors import Failure
from servicekit.statuses import failure_from_rpc

if TYPE_CHECKING:
    from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub
    from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceAsyncStub

PASSWORD = "correct horse battery"
ADMIN_PASSWORD = "of the one who minds it"
SERVICE_PASSWORD = "shared by all our services"

Metadata: TypeAlias = list[tuple[str, str]]


@dataclass
class House:
    """A running service with a client."""

    service: Service
    channel: grpc.aio.Channel
    stub: "AuthServiceAsyncStub"
    tokens: "TokenServiceAsyncStub"
    minded_by: "Metadata | None" = None

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

    async def minding(self) -> Metadata:
        """The metadata of the first admin, whose one-time password is changed the first time."""
        if self.minded_by is None:
            login = await self.login("admin", ADMIN_PASSWORD)
            request = pb.ChangePasswordRequest(
                current_password=ADMIN_PASSWORD, new_password=f"{ADMIN_PASSWORD} well"
            )
            answer = await self.stub.ChangePassword(request, metadata=bearer(login.access_token))
            self.minded_by = bearer(answer.access_token)
        return self.minded_by

    async def a_service(self) -> Metadata:
        """The metadata of a service."""
        return bearer((await self.login("gateway", SERVICE_PASSWORD)).access_token)

    async def disable(self, user_id: str, *, disabled: bool = True) -> None:
        """Has the admin disable a user."""
        request = pb.UpdateUserRequest(user_id=user_id, disabled=disabled)
        await self.stub.UpdateUser(request, metadata=await self.minding())


Open: TypeAlias = Callable[..., Any]


async def stored(house: House, table: sa.Table) -> list[Any]:
    """The rows of a table."""
    return list(await house.service.database.read(lambda it: it.execute(table.select()).all()))


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
        "hashing": "thread",
    }
    async with AsyncExitStack() as closing:
        service = await closing.enter_async_context(running(Settings(**defaults | settings), clock))
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{service.port}")
        await closing.enter_async_context(channel)
        yield House(service, channel, AuthServiceStub(channel), TokenServiceStub(channel))


@pytest.fixture
def open_house(sqlite_url: str) -> Open:
    """Opens the service, again and again on the same database, with settings and clock."""
    migrations.upgrade("auth_service", sqlite_url)

    def open_it(clock: Clock | None = None, **settings: Any) -> Any:
        return opened(sqlite_url, clock, **settings)

    return open_it


@pytest.fixture
async def house(open_house: Open) -> AsyncIterator[House]:
    """A service on a new database, with its first admin and the accounts of services."""
    passwords = {"admin_password": ADMIN_PASSWORD, "service_password": SERVICE_PASSWORD}
    async with open_house(**passwords) as house:
        yield house
