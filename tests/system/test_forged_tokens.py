"""No forged, foreign or misused token opens anything, at any door of the running system."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
import httpx
import jwt
import pytest

from gpuaas.auth.v1 import auth_service_pb2, token_service_pb2
from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceStub
from local.layout import Name
from local.supervisor import System
from servicekit.statuses import failure_from_rpc
from tests.attacks import ATTACKS, EXPIRED
from tests.system.conftest import Started
from tests.system.people import PASSWORD, Door, Forger, bearer

Ask: TypeAlias = Callable[[list[str]], Awaitable[str]]
"""Calls with these Authorization values and returns the reason of the refusal; "" when let in."""

METHODS: dict[Name, str] = {
    "auth_service": "/gpuaas.auth.v1.AuthService/GetCurrentUser",
    "job_service": "/gpuaas.job.v1.JobService/ListJobs",
    "scheduler_service": "/gpuaas.scheduler.v1.InventoryService/ListPools",
}
LEAST_ATTACKS = 20
PUBLIC_MEMBERS = {"kty", "crv", "x", "kid", "use", "alg"}


def over_grpc(channel: grpc.aio.Channel, method: str) -> Ask:
    """Returns what calls a method with an empty request."""
    call: Any = channel.unary_unary(method)

    async def ask(values: list[str]) -> str:
        try:
            await call(b"", metadata=[("authorization", value) for value in values], timeout=60)
        except grpc.aio.AioRpcError as error:
            return failure_from_rpc(error).reason
        return ""

    return ask


def over_rest(client: httpx.AsyncClient) -> Ask:
    """Returns what gets the list of jobs."""

    async def ask(values: list[str]) -> str:
        # Without the space that HTTP does not allow at the end of a value.
        headers = [("authorization", value.strip()) for value in values]
        answer = await client.get("/api/v1/jobs", headers=headers)
        return "" if answer.is_success else str(answer.json()["reason"])

    return ask


@pytest.fixture
async def doors(started: Started) -> AsyncIterator[dict[str, Ask]]:
    """All four processes, over bare channels: no client of ours changes what is sent."""
    system: System = started.system
    channels = {name: grpc.aio.insecure_channel(system.target(name)) for name in METHODS}
    asks: dict[str, Ask] = {
        name: over_grpc(channel, METHODS[name]) for name, channel in channels.items()
    }
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield asks | {"gateway": over_rest(client)}
    for channel in channels.values():
        await channel.close()


async def test_no_forged_token_is_accepted_anywhere(
    started: Started, doors: dict[str, Ask]
) -> None:
    """Made with the system's own signing key where that helps; the good token works everywhere."""
    async with Door(started.system) as door:
        token = (await door.register("mallory")).access_token
    forger, now = Forger(started.system, token), datetime.now(UTC)
    for name, ask in doors.items():
        assert "" == await ask([f"Bearer {token}"]), name
        assert "" == await ask([f"Bearer {forger.token(forger.claims())}"]), name

    answers = {
        (attack, name): await ask([f"Bearer {make(forger, now)}"])
        for attack, make in {**ATTACKS, **EXPIRED}.items()
        for name, ask in doors.items()
    }
    # Larger metadata than the limit is refused by gRPC itself, as RESOURCE_EXHAUSTED.
    too_large = {"HEADERS_TOO_LARGE", "OVERLOADED"}
    refusals = {"TOKEN_INVALID", "TOKEN_MISSING", "TOKEN_EXPIRED"} | too_large
    accepted = {key: answer for key, answer in answers.items() if answer not in refusals}
    print(f"{len(ATTACKS) + len(EXPIRED)} attacks on {len(doors)} doors: {len(accepted)} accepted")
    assert {} == accepted
    assert len(ATTACKS) >= LEAST_ATTACKS


async def test_credentials_of_other_kinds_are_no_access_tokens(
    started: Started, doors: dict[str, Ask]
) -> None:
    """A refresh token, a ticket, a device's token: each is good for its own purpose only."""
    async with Door(started.system) as door:
        session = await door.register("mallory")
        tokens: Any = TokenServiceStub(door.channel)
        ticket = await tokens.CreateStreamTicket(
            token_service_pb2.CreateStreamTicketRequest(), metadata=bearer(session.access_token)
        )
        key = await door.auth.CreateApiKey(
            auth_service_pb2.CreateApiKeyRequest(name="script"),
            metadata=bearer(session.access_token),
        )
    credentials = {
        "refresh token": session.refresh_token,
        "device token": session.device_token,
        "ticket": ticket.ticket,
    }
    for kind, credential in credentials.items():
        assert credential, kind
        for name, ask in doors.items():
            assert "TOKEN_INVALID" == await ask([f"Bearer {credential}"]), (kind, name)

    assert "" == await doors["gateway"]([f"Bearer {key.secret}"])
    for name in METHODS:
        assert "TOKEN_INVALID" == await doors[name]([f"Bearer {key.secret}"]), name


async def test_a_header_has_to_be_there_once_and_in_its_form(
    started: Started, doors: dict[str, Ask]
) -> None:
    """Two headers, other schemes and a second token behind the first get nobody in."""
    async with Door(started.system) as door:
        token = (await door.register("mallory")).access_token
    forms = [
        [],
        [token],
        [f"Basic {token}"],
        [f"Bearer {token}, Bearer {token}"],
        [f"Bearer {token} {token}"],
        [f"Bearer {token}", f"Bearer {token}"],
        ["Bearer nonsense", f"Bearer {token}"],
        [f"Bearer {token}", "Bearer nonsense"],
    ]
    for form in forms:
        for name, ask in doors.items():
            assert await ask(form) in ("TOKEN_MISSING", "TOKEN_INVALID", "MESSAGE_MALFORMED"), (
                name,
                [value.replace(token, "TOKEN") for value in form],
            )


async def test_anybody_can_verify_with_the_published_keys(started: Started) -> None:
    """By RFC 7517 at the usual place, with a library that knows nothing of this system."""
    async with Door(started.system) as door:
        token = (await door.register("alice")).access_token
    async with httpx.AsyncClient(base_url=started.system.url, timeout=60) as client:
        answer = await client.get("/.well-known/jwks.json")
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key.key, algorithms=["EdDSA"], audience="gpuaas")
    assert ("user", "gpuaas-auth") == (claims["role"], claims["iss"])
    assert all(set(each) <= PUBLIC_MEMBERS for each in answer.json()["keys"])


PATHS = {
    "register": ["/register", "/auth/register", "/api/v1/auth/register"],
    "login": ["/login", "/auth/login", "/auth/jwt/login", "/api/v1/auth/login"],
}


async def test_every_documented_path_registers_and_logs_in(started: Started) -> None:
    """With JSON and as a form; whoever looks for is_admin finds it."""
    async with httpx.AsyncClient(base_url=started.system.url, timeout=60) as client:
        account = {"username": "", "password": PASSWORD}
        for register in PATHS["register"]:
            account["username"] = f"pat-{secrets.token_hex(4)}"
            made = (await client.post(register, json=account)).json()
            assert ("ROLE_USER", False) == (made["role"], made["is_admin"])
        for login in PATHS["login"]:
            for body in ({"json": account}, {"data": account | {"grant_type": "password"}}):
                session = (await client.post(login, **body)).json()  # type: ignore[arg-type]
                assert "bearer" == session["token_type"]
                assert session["access_token"]
                assert session["user"]["is_admin"] is False
