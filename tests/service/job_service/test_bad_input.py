"""What must not come in: each is a typed error that names what was wrong, and nothing is stored."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import quota_service_pb2 as quota
from job_service.bootstrap import SERVICES, running
from job_service.config import Settings
from servicekit.config import ConfigurationError
from servicekit.errors import Failure, Kind
from servicekit.identity import Role
from servicekit.tokens import encode_page_token
from tests.service.job_service.conftest import NOTHING, House, Open

METHODS = [method for service in SERVICES for method in service.methods]


def path_of(method: MethodDescriptor) -> str:
    """The method as gRPC names it."""
    assert method.containing_service is not None
    return f"/{method.containing_service.full_name}/{method.name}"


async def call(house: House, method: MethodDescriptor, request: bytes, **more: Any) -> Any:
    """Calls a method with raw bytes; of a stream, awaits the first answer."""
    if method.server_streaming:
        return await anext(house.channel.unary_stream(path_of(method))(request, **more))
    return await house.channel.unary_unary(path_of(method))(request, **more)


async def refusal(answer: Any) -> Failure:
    """What a call failed with."""
    with pytest.raises(Failure) as raised:
        await answer
    return raised.value


SUBMITS: list[tuple[dict[str, Any], str, str]] = [
    ({"gpu_type": "H100"}, "GPU_TYPE_UNKNOWN", "spec.resources.gpu_type"),
    ({"estimated_hours": -2.0}, "FIELD_INVALID", "spec.estimated_hours"),
    ({"estimated_hours": float("nan")}, "FIELD_INVALID", "spec.estimated_hours"),
    ({"command": ""}, "FIELD_INVALID", "spec.command"),
    ({"gpu_count": -1}, "FIELD_INVALID", "spec.resources.count"),
    ({"strategy": "cheapest"}, "FIELD_INVALID", "strategy"),
    ({"request_id": "1"}, "FIELD_INVALID", "request_id"),
    ({"pool": "nowhere"}, "POOL_UNKNOWN", "spec.pool"),
    ({"spec": job_pb2.JobSpec(provider="nobody")}, "PROVIDER_UNKNOWN", "spec.provider"),
    ({"quote_token": "q"}, "FIELD_INVALID", "quote_token"),
    ({"spec": job_pb2.JobSpec(command="ls")}, "FIELD_INVALID", "command"),
    ({"name": "a\0b"}, "FIELD_INVALID", "spec.name"),
    ({"spec": job_pb2.JobSpec(labels={"a": "\0"})}, "FIELD_INVALID", "spec.labels"),
]


@pytest.mark.parametrize(("fields", "reason", "field"), SUBMITS)
async def test_a_submit_without_sense_is_refused_and_named(
    house: House, fields: dict[str, Any], reason: str, field: str
) -> None:
    """The reason is for programs, the violation names the field for people."""
    await house.gpu_types_known()
    refused = await refusal(house.submit(**fields))
    assert (Kind.INVALID_ARGUMENT, reason) == (refused.kind, refused.reason)
    assert [field] == [violation.field for violation in refused.violations]
    assert NOTHING == await house.stored()


REQUESTS: dict[str, tuple[Callable[[House], Any], str]] = {
    "no job id": (lambda house: house.get(""), "job_id"),
    "endless job id": (lambda house: house.get("x" * 1025), "job_id"),
    "no reason": (lambda house: house.reject("j", ""), "reason"),
    "endless reason": (lambda house: house.cancel("j", reason="x" * 1025), "reason"),
    "NUL in a comment": (lambda house: house.approve("j", comment="\0"), "comment"),
    "negative page": (lambda house: house.listed(page_size=-1), "page_size"),
    "unknown state": (lambda house: house.listed(states=[99]), "states"),
    "unknown order": (lambda house: house.listed(order_by=99), "order_by"),
    "NUL in a filter": (lambda house: house.listed(pool="\0"), "pool"),
    "NUL in a job id": (lambda house: house.get("\0"), "job_id"),
    "NUL in a watch": (lambda house: anext(house.watch(job_ids=["\0"])), "job_ids"),
    "empty label": (lambda house: anext(house.watch(labels=["=x"])), "labels"),
    "unknown kind": (lambda house: house.entries(kinds=[77]), "kinds"),
    "NUL in a quota": (lambda house: house.quota("root", owner_id="\0"), "owner_id"),
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_request_without_sense_is_refused_and_named(house: House, what: str) -> None:
    """Whatever the method: INVALID_ARGUMENT with the field."""
    ask, field = REQUESTS[what]
    refused = await refusal(ask(house))
    assert (Kind.INVALID_ARGUMENT, "FIELD_INVALID") == (refused.kind, refused.reason)
    assert [field] == [violation.field for violation in refused.violations]
    assert NOTHING == await house.stored()


@pytest.mark.parametrize(
    "token", ["x", "IQ", "ä", "x" * 5000, encode_page_token("other", [1, "a"])]
)
async def test_a_page_token_that_is_none_is_refused(house: House, token: str) -> None:
    """Invented, damaged, or of another list."""
    refused = await refusal(house.listed(page_token=token))
    assert (Kind.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID") == (refused.kind, refused.reason)


async def test_garbage_bytes_are_malformed(house: House) -> None:
    """Bytes that are no message are the caller's fault, on streams too."""
    for method in METHODS:
        refused = await refusal(call(house, method, b"\xff\xff\xff\xff", **house.by("root")))
        expected = Kind.INVALID_ARGUMENT, "MESSAGE_MALFORMED"
        assert expected == (refused.kind, refused.reason), method.name
    assert NOTHING == await house.stored()


async def test_nobody_calls_without_a_token(house: House) -> None:
    """Whatever the method: missing, expired and invented tokens are refused."""
    expired = house.identities.expired_token("ada", Role.ADMIN)
    tokens = {"TOKEN_EXPIRED": expired, "TOKEN_INVALID": "a.b.c", "TOKEN_MISSING": None}
    for method, (reason, token) in itertools.product(METHODS, tokens.items()):
        metadata = [("authorization", f"Bearer {token}")] if token else []
        refused = await refusal(call(house, method, b"", metadata=metadata))
        assert (Kind.UNAUTHENTICATED, reason) == (refused.kind, refused.reason), method.name
    assert NOTHING == await house.stored()


async def test_a_user_asks_for_own_quotas_only(house: House) -> None:
    """Another's is not found, nor another team's; an admin finds it."""
    bob = house.identities.user_id("bob")
    for asked in (
        house.quota(owner_id=bob),
        house.entries(owner_id=bob),
        house.quota(team="engines"),
        house.entries(team="engines"),
    ):
        refused = await refusal(asked)
        assert (Kind.NOT_FOUND, "OWNER_NOT_FOUND") == (refused.kind, refused.reason)
    assert bob == (await house.quota("root", owner_id=bob)).owner_id
    assert "engines" == (await house.quota("root", team="engines")).team


async def test_a_user_watches_own_jobs_only(house: House) -> None:
    """Neither another user's nor a team's."""
    for fields in ({"owner_id": house.identities.user_id("bob")}, {"team": "engines"}):
        refused = await refusal(anext(house.watch("ada", **fields)))
        assert (Kind.PERMISSION_DENIED, "ROLE_FORBIDDEN") == (refused.kind, refused.reason)


async def test_only_an_admin_grants_hours(house: House) -> None:
    """The user's own request changes nothing."""
    request = quota.GrantHoursRequest(owner_id="u", amount_gpu_hours=1, reason="please")
    refused = await refusal(house.quotas.GrantHours(request, **house.by("ada")))
    assert (Kind.PERMISSION_DENIED, "ROLE_FORBIDDEN") == (refused.kind, refused.reason)
    assert NOTHING == await house.stored()


@pytest.mark.parametrize("service", ["", *(service.full_name for service in SERVICES)])
async def test_health_answers_serving(house: House, service: str) -> None:
    """For the whole and for each service."""
    stub: Any = health_pb2_grpc.HealthStub(house.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert health_pb2.HealthCheckResponse.SERVING == answer.status


async def test_a_taken_port_is_a_clear_message(open_house: Open) -> None:
    """The second server on a port says which address it could not have."""
    async with open_house() as house:
        address = f"127.0.0.1:{house.service.port}"
        with pytest.raises(ConfigurationError, match=address):
            async with open_house(listen=address):
                pytest.fail("two servers on one port")


async def test_a_database_without_tables_is_a_clear_message(sqlite_url: str) -> None:
    """Whoever forgot to migrate is told the command."""
    settings: dict[str, Any] = {"database_url": sqlite_url, "listen": "127.0.0.1:0"}
    with pytest.raises(ConfigurationError, match="python -m job_service migrate"):
        async with running(Settings(**settings)):
            pytest.fail("serving without tables")
