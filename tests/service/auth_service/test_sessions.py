"""Sessions over a true server: refreshing, logging out, changing the password."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from auth_service.adapters.tables import DEVICES, PLUMBING, SESSIONS
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.clock import ManualClock
from servicekit.errors import Kind
from tests.service.auth_service.conftest import (
    ADMIN_PASSWORD,
    PASSWORD,
    House,
    Open,
    bearer,
    failure_of,
    stored,
)

NEW_PASSWORD = "staple after battery"


async def refresh(house: House, token: str) -> pb.RefreshTokenResponse:
    """Refreshes a session."""
    return await house.stub.RefreshToken(pb.RefreshTokenRequest(refresh_token=token))


async def refused_as(house: House, token: str) -> str:
    """Why an access token is not let in."""
    failure = await failure_of(house.current_user(token))
    assert Kind.UNAUTHENTICATED is failure.kind
    return failure.reason


async def test_a_session_goes_on_with_refresh_tokens(house: House) -> None:
    """Each gives a pair of tokens; all access tokens work until they expire."""
    await house.register()
    login = await house.login()
    assert 30 * 86400 == login.refresh_expires_in
    first = await refresh(house, login.refresh_token)
    second = await refresh(house, first.refresh_token)
    assert ("bearer", 1800, "Ada") == (second.token_type, second.expires_in, second.user.username)
    for token in (login.access_token, first.access_token, second.access_token):
        assert "Ada" == (await house.current_user(token)).user.username


async def test_no_refresh_token_is_stored(house: House) -> None:
    """Nor a device's token: only hashes."""
    await house.register()
    login = await house.login()
    stored_bytes = repr([*await stored(house, SESSIONS), *await stored(house, DEVICES)])
    assert login.refresh_token not in stored_bytes
    assert login.refresh_token.removeprefix("gpur_")[30:] not in stored_bytes
    assert login.device_token not in stored_bytes


async def test_a_second_use_ends_the_family(house: House) -> None:
    """Refresh and access tokens of all who have them; other sessions of the user go on."""
    await house.register()
    login, other = await house.login(), await house.login()
    stolen = await refresh(house, login.refresh_token)
    failure = await failure_of(refresh(house, login.refresh_token))
    assert (Kind.UNAUTHENTICATED, "REFRESH_TOKEN_REUSED") == (failure.kind, failure.reason)
    failure = await failure_of(refresh(house, stolen.refresh_token))
    assert "REFRESH_TOKEN_INVALID" == failure.reason
    assert "TOKEN_REVOKED" == await refused_as(house, stolen.access_token)
    assert "TOKEN_REVOKED" == await refused_as(house, login.access_token)
    await house.current_user(other.access_token)
    await refresh(house, other.refresh_token)


async def test_two_at_once_end_the_family_too(house: House) -> None:
    """Of ten uses of one token at a time at most one gets tokens, and those are dead at once."""
    await house.register()
    login = await house.login()
    answers = await asyncio.gather(
        *(refresh(house, login.refresh_token) for _ in range(10)), return_exceptions=True
    )
    winners = [it for it in answers if isinstance(it, pb.RefreshTokenResponse)]
    assert 1 == len(winners)
    failure = await failure_of(refresh(house, winners[0].refresh_token))
    assert "REFRESH_TOKEN_INVALID" == failure.reason
    assert "TOKEN_REVOKED" == await refused_as(house, winners[0].access_token)
    assert [] == [row for row in await stored(house, SESSIONS) if row.user_id == login.user.id]


async def test_a_family_that_ended_stays_ended(open_house: Open) -> None:
    """A restart forgets neither the end of a session nor that its access tokens are dead."""
    async with open_house() as house:
        await house.register()
        login, other = await house.login(), await house.login()
        await refresh(house, login.refresh_token)
        await failure_of(refresh(house, login.refresh_token))
    async with open_house() as house:
        assert "TOKEN_REVOKED" == await refused_as(house, login.access_token)
        assert (
            "REFRESH_TOKEN_INVALID"
            == (await failure_of(refresh(house, login.refresh_token))).reason
        )
        await refresh(house, other.refresh_token)


async def test_a_session_has_an_end(open_house: Open) -> None:
    """However often it was refreshed; what is left is told."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_house(clock, refresh_lifetime=timedelta(hours=2)) as house:
        await house.register()
        token = (await house.login()).refresh_token
        clock.advance(timedelta(hours=1))
        answer = await refresh(house, token)
        assert 3600 == answer.refresh_expires_in
        clock.advance(timedelta(hours=1))
        failure = await failure_of(refresh(house, answer.refresh_token))
        assert "REFRESH_TOKEN_INVALID" == failure.reason


@pytest.mark.parametrize("token", ["", "x", "gpur_" + "A" * 75])
async def test_what_is_no_refresh_token_is_refused(house: House, token: str) -> None:
    """And is not an error of the server."""
    failure = await failure_of(refresh(house, token))
    assert (Kind.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID") == (failure.kind, failure.reason)


async def test_logging_out_ends_the_session(house: House) -> None:
    """With its tokens; others of the user go on, until all are ended."""
    await house.register()
    first, second, third = [await house.login() for _ in range(3)]
    answer = await house.stub.Logout(pb.LogoutRequest(), metadata=bearer(first.access_token))
    assert 1 == answer.ended_sessions
    assert "TOKEN_REVOKED" == await refused_as(house, first.access_token)
    failure = await failure_of(refresh(house, first.refresh_token))
    assert "REFRESH_TOKEN_INVALID" == failure.reason
    await house.current_user(second.access_token)

    answer = await house.stub.Logout(
        pb.LogoutRequest(all_sessions=True), metadata=bearer(second.access_token)
    )
    assert 2 == answer.ended_sessions
    for login in (second, third):
        assert "TOKEN_REVOKED" == await refused_as(house, login.access_token)
    await house.current_user((await house.login()).access_token)


async def change(
    house: House, token: str, current: str, new: str, request_id: str = ""
) -> pb.ChangePasswordResponse:
    """Changes the password."""
    request = pb.ChangePasswordRequest(
        current_password=current, new_password=new, request_id=request_id
    )
    return await house.stub.ChangePassword(request, metadata=bearer(token))


async def test_another_password_ends_all_that_the_old_one_began(house: House) -> None:
    """The answer's tokens work, everything before does not; only the new password signs in."""
    await house.register()
    here, there = await house.login(), await house.login()
    answer = await change(house, here.access_token, PASSWORD, NEW_PASSWORD)
    for login in (here, there):
        assert "TOKEN_REVOKED" == await refused_as(house, login.access_token)
        failure = await failure_of(refresh(house, login.refresh_token))
        assert "REFRESH_TOKEN_INVALID" == failure.reason
    assert "Ada" == (await house.current_user(answer.access_token)).user.username
    assert "Ada" == (await refresh(house, answer.refresh_token)).user.username
    assert "CREDENTIALS_INVALID" == (await failure_of(house.login())).reason
    await house.login(password=NEW_PASSWORD)


async def test_a_wrong_password_changes_nothing_and_is_slowed_down(house: House) -> None:
    """The session goes on, the refusal is audited, and guessing it here is no shortcut."""
    await house.register()
    login = await house.login()
    failures = [
        await failure_of(change(house, login.access_token, "wrong", NEW_PASSWORD)) for _ in range(6)
    ]
    assert ["PASSWORD_WRONG"] * 5 + ["LOGIN_THROTTLED"] == [it.reason for it in failures]
    assert failures[-1].retry_after is not None
    await house.current_user(login.access_token)
    await house.login()


@pytest.mark.parametrize(
    ("current", "new", "reason"),
    [
        (PASSWORD, "short", "PASSWORD_TOO_WEAK"),
        (PASSWORD, "Password2024!", "PASSWORD_TOO_WEAK"),
        (PASSWORD, "ADAADAADAADA", "PASSWORD_TOO_WEAK"),
        (PASSWORD, PASSWORD, "FIELD_INVALID"),
        ("x" * 1025, NEW_PASSWORD, "FIELD_INVALID"),
    ],
)
async def test_a_new_password_has_to_be_fit(
    house: House, current: str, new: str, reason: str
) -> None:
    """The field is named, and nobody looked at the current one."""
    await house.register()
    login = await house.login()
    failure = await failure_of(change(house, login.access_token, current, new))
    assert (Kind.INVALID_ARGUMENT, reason) == (failure.kind, failure.reason)
    await house.login()


async def test_a_repeated_change_is_answered_without_tokens(house: House) -> None:
    """They are not remembered; another body under the same id is refused."""
    await house.register()
    login, request_id = await house.login(), str(uuid4())
    first = await change(house, login.access_token, PASSWORD, NEW_PASSWORD, request_id)
    again = await change(house, first.access_token, PASSWORD, NEW_PASSWORD, request_id)
    assert pb.ChangePasswordResponse() == again
    await house.current_user(first.access_token)
    failure = await failure_of(
        change(house, first.access_token, PASSWORD, "yet another password", request_id)
    )
    assert "REQUEST_ID_REUSED" == failure.reason
    remembered = repr(await stored(house, PLUMBING.requests))
    for secret in (first.access_token, first.refresh_token, NEW_PASSWORD, PASSWORD):
        assert secret not in remembered


async def test_a_one_time_password_has_to_be_changed_first(house: House) -> None:
    """Until then the first admin can only ask who it is, change the password, or log out."""
    login = await house.login("admin", ADMIN_PASSWORD)
    assert login.user.password_change_required
    metadata = bearer(login.access_token)
    await house.current_user(login.access_token)
    refreshed = await refresh(house, login.refresh_token)
    for token in (login.access_token, refreshed.access_token):
        call = house.stub.ListUsers(pb.ListUsersRequest(), metadata=bearer(token))
        failure = await failure_of(call)
        assert Kind.PERMISSION_DENIED is failure.kind
        assert "PASSWORD_CHANGE_REQUIRED" == failure.reason
    request = pb.ChangePasswordRequest(
        current_password=ADMIN_PASSWORD, new_password="mine alone from now on"
    )
    answer = await house.stub.ChangePassword(request, metadata=metadata)
    users = await house.stub.ListUsers(pb.ListUsersRequest(), metadata=bearer(answer.access_token))
    assert "admin" == users.users[0].username
    assert not users.users[0].password_change_required
