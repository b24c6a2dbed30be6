"""What comes before any rule of identity: bytes, tokens, methods, health and reflection."""

from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from auth_service.bootstrap import running
from auth_service.config import Settings
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.config import ConfigurationError, WriterHost
from servicekit.errors import Kind
from tests.service.auth_service.conftest import House, Open, bearer, failure_of

SERVICE = "gpuaas.auth.v1.AuthService"


@pytest.mark.parametrize("method", ["Register", "Login"])
async def test_garbage_bytes_are_malformed(house: House, method: str) -> None:
    """Bytes that are no message are the caller's fault, and said to be."""
    call: Any = house.channel.unary_unary(f"/{SERVICE}/{method}")
    failure = await failure_of(call(b"\xff\xff\xff\xff"))
    assert (Kind.INVALID_ARGUMENT, "MESSAGE_MALFORMED") == (failure.kind, failure.reason)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"username": "Ada"}, "password"),
        ({"password": "x"}, "username"),
        ({"username": "Ada", "password": "x", "grant_type": "implicit"}, "grant_type"),
        ({"username": "Ada", "password": "x" * 1025}, "password"),
    ],
)
async def test_a_login_without_sense_is_refused(
    house: House, fields: dict[str, str], field: str
) -> None:
    """The field is named, and no password is checked."""
    failure = await failure_of(house.stub.Login(pb.LoginRequest(**fields)))
    assert (Kind.INVALID_ARGUMENT, "FIELD_INVALID") == (failure.kind, failure.reason)
    assert [field] == [violation.field for violation in failure.violations]


async def test_a_missing_or_false_token_is_refused(house: House) -> None:
    """Without a token nobody is known; a token that we did not sign is none."""
    failure = await failure_of(house.stub.GetCurrentUser(pb.GetCurrentUserRequest()))
    assert (Kind.UNAUTHENTICATED, "TOKEN_MISSING") == (failure.kind, failure.reason)
    failure = await failure_of(house.current_user("a.b.c"))
    assert (Kind.UNAUTHENTICATED, "TOKEN_INVALID") == (failure.kind, failure.reason)


async def test_admins_methods_are_closed_to_others(house: House) -> None:
    """To users, and first of all to nobody."""
    failure = await failure_of(house.stub.ListUsers(pb.ListUsersRequest()))
    assert "TOKEN_MISSING" == failure.reason
    await house.register()
    metadata = bearer((await house.login()).access_token)
    failure = await failure_of(house.stub.ListUsers(pb.ListUsersRequest(), metadata=metadata))
    assert (Kind.PERMISSION_DENIED, "ROLE_FORBIDDEN") == (failure.kind, failure.reason)


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_answers_serving(house: House, service: str) -> None:
    """For the whole and for the service."""
    stub: Any = health_pb2_grpc.HealthStub(house.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert health_pb2.HealthCheckResponse.SERVING == answer.status


async def test_reflection_lists_the_service(house: House) -> None:
    """A client such as grpcurl finds the service without a proto file."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", house.channel))
    request = cast("Any", reflection_pb2).ServerReflectionRequest(list_services="")
    [answer] = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    assert SERVICE in [service.name for service in answer.list_services_response.service]


async def test_a_taken_port_is_a_clear_message(open_house: Open) -> None:
    """The second server on a port says which address it could not have."""
    async with open_house() as house:
        address = f"127.0.0.1:{house.service.port}"
        with pytest.raises(ConfigurationError, match=address):
            async with open_house(listen=address):
                pytest.fail("two servers on one port")


async def test_a_database_without_tables_is_a_clear_message(sqlite_url: str) -> None:
    """Whoever forgot to migrate is told the command."""
    settings = Settings(
        database_url=sqlite_url, listen="127.0.0.1:0", bcrypt_cost=4, writer=WriterHost.THREAD
    )
    with pytest.raises(ConfigurationError, match="python -m auth_service migrate"):
        async with running(settings):
            pytest.fail("serving without tables")


async def test_an_ended_service_answers_nothing(open_house: Open) -> None:
    """On exit the server is gone and the database is closed."""
    async with open_house() as house:
        port = house.service.port
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/GetJwks")
        assert Kind.UNAVAILABLE == (await failure_of(call(b""))).kind
