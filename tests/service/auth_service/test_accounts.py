"""Registration, login and the current user, over a true server."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from auth_service.adapters.tables import PLUMBING, USERS
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1 import user_pb2
from servicekit.clock import ManualClock
from servicekit.errors import Kind
from tests.service.auth_service.conftest import (
    ADMIN_PASSWORD,
    PASSWORD,
    House,
    Open,
    failure_of,
    stored,
)


async def people(house: House) -> list[Any]:
    """The rows of those who registered."""
    return [row for row in await stored(house, USERS) if row.role == "user"]


async def test_a_registered_user_signs_in_and_is_known(house: House) -> None:
    """Register, Login and GetCurrentUser tell the same story."""
    registered = (await house.register(email="ada@example.org")).user
    assert ("Ada", "ada@example.org") == (registered.username, registered.email)
    assert (user_pb2.ROLE_USER, False) == (registered.role, registered.is_admin)
    assert "default" == registered.team
    assert not registered.HasField("last_login_time")

    answer = await house.login("ADA")
    assert ("bearer", 1800) == (answer.token_type, answer.expires_in)
    assert registered.id == answer.user.id
    assert answer.user.HasField("last_login_time")
    assert answer.user == (await house.current_user(answer.access_token)).user


async def test_the_published_key_verifies_the_token(house: House) -> None:
    """Anybody can check a token with GetJwks and a library of their own."""
    await house.register()
    token = (await house.login()).access_token
    [key] = (await house.stub.GetJwks(pb.GetJwksRequest())).keys
    members = {field.name: getattr(key, field.name) for field in key.DESCRIPTOR.fields}
    claims = jwt.decode(token, jwt.PyJWK(members), algorithms=["EdDSA"], audience="gpuaas")
    assert ("gpuaas-auth", "Ada", "user") == (claims["iss"], claims["username"], claims["role"])
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
    assert header == jwt.get_unverified_header(token)


async def test_everything_survives_a_restart(open_house: Open) -> None:
    """Users, the signing key and with it every token are on disk."""
    async with open_house() as house:
        await house.register()
        token = (await house.login()).access_token
    async with open_house() as house:
        assert "Ada" == (await house.current_user(token)).user.username
        await house.login()


async def test_a_taken_name_is_refused_and_named(house: House) -> None:
    """The same name in other letters exists already; so does an address."""
    await house.register(email="ada@example.org")
    failure = await failure_of(house.register("aDA"))
    assert (Kind.ALREADY_EXISTS, "USERNAME_TAKEN") == (failure.kind, failure.reason)
    assert ["username"] == [violation.field for violation in failure.violations]
    failure = await failure_of(house.register("bob", email="ADA@example.org"))
    assert (Kind.ALREADY_EXISTS, "EMAIL_TAKEN") == (failure.kind, failure.reason)
    assert 1 == len(await people(house))


async def test_one_of_many_gets_the_name(house: House) -> None:
    """Twenty registrations of one name at once make one user."""
    calls = [house.register("Ada" if number % 2 else "ADA") for number in range(20)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert 1 == sum(isinstance(answer, pb.RegisterResponse) for answer in answers)
    assert 1 == len(await people(house))


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"username": "a b"}, "USERNAME_INVALID", "username"),
        ({"username": ""}, "USERNAME_INVALID", "username"),
        ({"password": "elevenchars"}, "PASSWORD_TOO_WEAK", "password"),
        ({"password": "x" * 1025}, "PASSWORD_TOO_WEAK", "password"),
        ({"password": "Password2024!"}, "PASSWORD_TOO_WEAK", "password"),
        ({"username": "ada.lovelace", "password": "Ada.Lovelace"}, "PASSWORD_TOO_WEAK", "password"),
        ({"email": "ada"}, "FIELD_INVALID", "email"),
        ({"request_id": "1"}, "FIELD_INVALID", "request_id"),
    ],
)
async def test_unfit_registrations_are_refused_and_named(
    house: House, fields: dict[str, str], reason: str, field: str
) -> None:
    """The field that was wrong is named, and nothing is stored."""
    failure = await failure_of(house.register(**{"username": "Ada", **fields}))
    assert (Kind.INVALID_ARGUMENT, reason) == (failure.kind, failure.reason)
    assert [field] == [violation.field for violation in failure.violations]
    assert [] == await people(house)


async def test_a_repeated_registration_gets_the_first_answer(open_house: Open) -> None:
    """By its request id, at once, later and after a restart; and it makes one user."""
    request_id = str(uuid4())
    async with open_house() as house:
        both = await asyncio.gather(*(house.register(request_id=request_id) for _ in range(2)))
        assert both[0] == both[1]
    async with open_house() as house:
        assert both[0] == await house.register(request_id=request_id)
        assert 1 == len(await people(house))
        assert 1 == len(await stored(house, PLUMBING.events))


@pytest.mark.parametrize("fields", [{"username": "Bob"}, {"password": "another password"}])
async def test_a_request_id_belongs_to_one_body(house: House, fields: dict[str, str]) -> None:
    """Another name or another password under the same id is refused, not half done."""
    request_id = str(uuid4())
    await house.register(request_id=request_id)
    failure = await failure_of(house.register(**{"request_id": request_id, **fields}))
    assert (Kind.INVALID_ARGUMENT, "REQUEST_ID_REUSED") == (failure.kind, failure.reason)
    assert 1 == len(await people(house))


async def test_failed_logins_cannot_be_told_apart(house: House) -> None:
    """Unknown name, impossible name, wrong password and disabled user: one answer for all."""
    await house.register("Ada")
    await house.disable((await house.register("Bob")).user.id)
    attempts = [("Ada", "wrong"), ("nobody", PASSWORD), ("\x00", PASSWORD), ("Bob", PASSWORD)]
    failures = [await failure_of(house.login(*attempt)) for attempt in attempts]
    answers = {(each.kind, each.reason, each.message, *each.metadata) for each in failures}
    expected = (Kind.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert {(*expected, "the username or the password is wrong")} == answers


async def test_a_disabled_users_token_no_longer_tells_who_it_is(house: House) -> None:
    """The token is good for its time, but its user has no access."""
    user = (await house.register()).user
    token = (await house.login()).access_token
    await house.disable(user.id)
    failure = await failure_of(house.current_user(token))
    assert (Kind.UNAUTHENTICATED, "TOKEN_REVOKED") == (failure.kind, failure.reason)


async def test_a_token_expires(open_house: Open) -> None:
    """After its lifetime, which is a setting, the token is refused as expired."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_house(clock, token_lifetime=timedelta(minutes=5)) as house:
        await house.register()
        answer = await house.login()
        assert 300 == answer.expires_in
        await house.current_user(answer.access_token)
        clock.advance(timedelta(minutes=5))
        failure = await failure_of(house.current_user(answer.access_token))
    assert (Kind.UNAUTHENTICATED, "TOKEN_EXPIRED") == (failure.kind, failure.reason)


async def test_the_configured_accounts_can_sign_in(open_house: Open) -> None:
    """The first admin must change its password; a service has a role of its own."""
    secrets = {"admin_password": ADMIN_PASSWORD, "service_password": "of all our services"}
    for _ in range(2):
        async with open_house(**secrets) as house:
            admin = (await house.login("admin", secrets["admin_password"])).user
            assert (True, True) == (admin.is_admin, admin.password_change_required)
            for name in ("job-service", "scheduler-service", "gateway"):
                service = (await house.login(name, secrets["service_password"])).user
                assert user_pb2.ROLE_SERVICE == service.role
            assert 4 == len(await stored(house, USERS))


async def test_no_password_is_stored_in_the_clear_or_in_a_fast_hash(house: House) -> None:
    """What a registration leaves behind changes with nothing but a slow hash of the password."""
    request_id = str(uuid4())
    await house.register(request_id=request_id)
    request = pb.RegisterRequest(username="Ada", password=PASSWORD, request_id=request_id)
    [remembered] = await stored(house, PLUMBING.requests)
    everything = repr([remembered, *await stored(house, USERS)])
    everything += repr(await stored(house, PLUMBING.events))
    assert PASSWORD not in everything
    assert _fingerprint(request) != bytes(remembered.fingerprint)


def _fingerprint(request: pb.RegisterRequest) -> bytes:
    """What the remembered request would be known by if the password were left in it."""
    content = request.SerializeToString(deterministic=True)
    return hashlib.blake2b(content, digest_size=16).digest()


async def test_registrations_from_one_address_have_a_budget(open_house: Open) -> None:
    """Also tried ones, which tell whether a name is taken; signing in has a budget of its own."""
    async with open_house(registrations_per_address=4) as house:
        await house.register()
        taken = await failure_of(house.register())
        throttled = await failure_of(house.register("Grace"))
        assert ("USERNAME_TAKEN", "REGISTRATION_THROTTLED") == (taken.reason, throttled.reason)
        assert Kind.RESOURCE_EXHAUSTED is throttled.kind
        assert throttled.retry_after is not None
        assert timedelta(minutes=29) < throttled.retry_after <= timedelta(minutes=30)
        assert 1 == len(await people(house))
        await house.login()
