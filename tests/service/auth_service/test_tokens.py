"""API keys, tickets and the stream of revocations, over a true server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from auth_service.adapters.tables import API_KEYS, PLUMBING, TICKETS
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1 import token_service_pb2 as tokens_pb
from gpuaas.auth.v1 import user_pb2
from servicekit.clock import ManualClock
from servicekit.errors import Kind
from tests.service.auth_service.conftest import (
    SERVICE_PASSWORD,
    House,
    Metadata,
    Open,
    bearer,
    failure_of,
    stored,
)


async def create(
    house: House, metadata: Metadata, name: str = "ci", **fields: Any
) -> pb.CreateApiKeyResponse:
    """Creates an API key."""
    request = pb.CreateApiKeyRequest(name=name, **fields)
    return await house.stub.CreateApiKey(request, metadata=metadata)


async def exchange(house: House, secret: str) -> tokens_pb.ExchangeApiKeyResponse:
    """Gets an access token for a key."""
    return await house.tokens.ExchangeApiKey(tokens_pb.ExchangeApiKeyRequest(api_key=secret))


async def signed_in(house: House, username: str = "Ada") -> Metadata:
    """Registers a user and signs in."""
    await house.register(username)
    return bearer((await house.login(username)).access_token)


async def test_a_key_gets_tokens_of_its_user(house: House) -> None:
    """Its secret is shown once and stored as a hash; its use shows."""
    metadata = await signed_in(house)
    made = await create(house, metadata)
    assert made.secret.startswith(made.api_key.prefix)
    assert not made.api_key.HasField("last_used_time")
    answer = await exchange(house, made.secret)
    assert ("bearer", 1800, "Ada") == (answer.token_type, answer.expires_in, answer.user.username)
    assert "Ada" == (await house.current_user(answer.access_token)).user.username
    [listed] = (await house.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=metadata)).api_keys
    assert listed.HasField("last_used_time")
    assert made.secret not in repr(await stored(house, API_KEYS))


async def test_a_repeat_shows_the_key_but_not_the_secret(house: House) -> None:
    """Also at once; what is remembered of the answer does not have it."""
    metadata, request_id = await signed_in(house), str(uuid4())
    both = await asyncio.gather(*(create(house, metadata, request_id=request_id) for _ in range(2)))
    assert both[0].api_key == both[1].api_key
    [secret] = [answer.secret for answer in both if answer.secret]
    again = await create(house, metadata, request_id=request_id)
    assert (both[0].api_key, "") == (again.api_key, again.secret)
    assert secret not in repr(await stored(house, PLUMBING.requests))
    await exchange(house, secret)


async def test_a_key_has_at_most_its_users_role(house: House) -> None:
    """An admin's key may be a user's; a token got with it makes no admin's key again."""
    failure = await failure_of(create(house, await signed_in(house), role=user_pb2.ROLE_ADMIN))
    assert (Kind.PERMISSION_DENIED, "ROLE_FORBIDDEN") == (failure.kind, failure.reason)
    made = await create(house, await house.minding(), role=user_pb2.ROLE_USER)
    metadata = bearer((await exchange(house, made.secret)).access_token)
    failure = await failure_of(house.stub.ListUsers(pb.ListUsersRequest(), metadata=metadata))
    assert "ROLE_FORBIDDEN" == failure.reason
    failure = await failure_of(create(house, metadata, "2", role=user_pb2.ROLE_ADMIN))
    assert "ROLE_FORBIDDEN" == failure.reason
    assert user_pb2.ROLE_USER == (await create(house, metadata, "3")).api_key.role


async def test_a_key_is_somebodys_own(house: House) -> None:
    """Others neither see, make nor revoke it; admins do."""
    adas, eves = await signed_in(house), await signed_in(house, "Eve")
    made = await create(house, adas)
    owner = made.api_key.user_id
    for call in (
        house.stub.ListApiKeys(pb.ListApiKeysRequest(user_id=owner), metadata=eves),
        create(house, eves, user_id=owner),
    ):
        assert "ROLE_FORBIDDEN" == (await failure_of(call)).reason
    revoke = pb.RevokeApiKeyRequest(api_key_id=made.api_key.id)
    failure = await failure_of(house.stub.RevokeApiKey(revoke, metadata=eves))
    assert (Kind.NOT_FOUND, "API_KEY_NOT_FOUND") == (failure.kind, failure.reason)
    admins = await house.minding()
    assert "for Ada" == (await create(house, admins, "for Ada", user_id=owner)).api_key.name
    request = pb.ListApiKeysRequest(user_id=owner)
    listed = (await house.stub.ListApiKeys(request, metadata=admins)).api_keys
    assert ["for Ada", "ci"] == [key.name for key in listed]
    assert (await house.stub.RevokeApiKey(revoke, metadata=admins)).api_key.HasField("revoke_time")


async def test_a_revoked_key_and_its_tokens_are_dead(house: House) -> None:
    """At once here; the user's other tokens live."""
    metadata = await signed_in(house)
    made = await create(house, metadata)
    token = (await exchange(house, made.secret)).access_token
    revoke = pb.RevokeApiKeyRequest(api_key_id=made.api_key.id)
    for _ in range(2):
        answer = await house.stub.RevokeApiKey(revoke, metadata=metadata)
        assert answer.api_key.HasField("revoke_time")
    assert "TOKEN_REVOKED" == (await failure_of(house.current_user(token))).reason
    failure = await failure_of(exchange(house, made.secret))
    assert (Kind.UNAUTHENTICATED, "API_KEY_INVALID") == (failure.kind, failure.reason)
    active = await house.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=metadata)
    assert 0 == len(active.api_keys)
    request = pb.ListApiKeysRequest(include_inactive=True)
    assert 1 == len((await house.stub.ListApiKeys(request, metadata=metadata)).api_keys)


async def test_a_key_ends_with_its_time_and_its_users_access(open_house: Open) -> None:
    """Whichever is first."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    passwords = {"admin_password": "of the one who minds it"}
    async with open_house(clock, **passwords) as house:
        metadata = await signed_in(house)
        short = await create(house, metadata)
        made = await create(house, metadata, "long")
        await house.disable(made.api_key.user_id)
        assert "API_KEY_INVALID" == (await failure_of(exchange(house, made.secret))).reason
        await house.disable(made.api_key.user_id, disabled=False)
        await exchange(house, made.secret)
        clock.advance(timedelta(days=365))
        assert "API_KEY_INVALID" == (await failure_of(exchange(house, short.secret))).reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "FIELD_INVALID"),
        ({"name": "two\nlines"}, "FIELD_INVALID"),
        ({"name": "ci", "role": 7}, "FIELD_INVALID"),
        ({"name": "ci", "request_id": "1"}, "FIELD_INVALID"),
        ({"name": "ci", "expire_time": datetime(2020, 1, 1, tzinfo=UTC)}, "FIELD_INVALID"),
        ({"name": "taken"}, "API_KEY_NAME_TAKEN"),
    ],
)
async def test_an_unfit_key_is_refused(house: House, fields: dict[str, Any], reason: str) -> None:
    """With the reason of the contract."""
    metadata = await signed_in(house)
    await create(house, metadata, "taken")
    assert reason == (await failure_of(create(house, metadata, **fields))).reason


async def test_guessing_keys_ends_at_the_address(open_house: Open) -> None:
    """With the same refusal as guessing passwords; a right key still works."""
    async with open_house(guesses_per_address=10) as house:
        made = await create(house, await signed_in(house))
        failures = [await failure_of(exchange(house, f"gpuaas_{n}")) for n in range(6)]
        expected = ["API_KEY_INVALID"] * 5 + ["LOGIN_THROTTLED"]
        assert expected == [failure.reason for failure in failures]
        assert failures[-1].retry_after is not None
        await exchange(house, made.secret)


async def ticket(house: House, metadata: Metadata) -> str:
    """Creates a ticket."""
    request = tokens_pb.CreateStreamTicketRequest()
    return (await house.tokens.CreateStreamTicket(request, metadata=metadata)).ticket


async def redeem(house: House, text: str, metadata: Metadata) -> str:
    """Redeems a ticket, and returns the access token."""
    request = tokens_pb.RedeemStreamTicketRequest(ticket=text)
    return (await house.tokens.RedeemStreamTicket(request, metadata=metadata)).access_token


async def test_a_ticket_stands_for_its_session_once(house: House) -> None:
    """The token got for it belongs to the same session and ends no later; it is stored hashed."""
    metadata, service = await signed_in(house), await house.a_service()
    text = await ticket(house, metadata)
    assert text not in repr(await stored(house, TICKETS))
    token = await redeem(house, text, service)
    before, after = (
        jwt.decode(it, options={"verify_signature": False})
        for it in (metadata[0][1].removeprefix("Bearer "), token)
    )
    assert [before[name] for name in ("sub", "sid", "gen", "role", "exp")] == [
        after[name] for name in ("sub", "sid", "gen", "role", "exp")
    ]
    assert "Ada" == (await house.current_user(token)).user.username
    for wrong in (text, "", "gput_made-up"):
        failure = await failure_of(redeem(house, wrong, service))
        assert (Kind.UNAUTHENTICATED, "TICKET_INVALID") == (failure.kind, failure.reason)


async def test_one_of_many_redeems_a_ticket(house: House) -> None:
    """Ten at once get one token."""
    text, service = await ticket(house, await signed_in(house)), await house.a_service()
    answers = await asyncio.gather(
        *(redeem(house, text, service) for _ in range(10)), return_exceptions=True
    )
    assert 1 == sum(isinstance(answer, str) for answer in answers)


async def test_a_ticket_is_dead_with_its_session_or_after_its_time(open_house: Open) -> None:
    """Thirty seconds, or a logout, whichever is first."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_house(clock, service_password=SERVICE_PASSWORD) as house:
        service, metadata = await house.a_service(), await signed_in(house)
        late = await ticket(house, metadata)
        clock.advance(timedelta(seconds=30))
        assert "TICKET_INVALID" == (await failure_of(redeem(house, late, service))).reason
        dead = await ticket(house, metadata)
        await house.stub.Logout(pb.LogoutRequest(), metadata=metadata)
        assert "TICKET_INVALID" == (await failure_of(redeem(house, dead, service))).reason


@asynccontextmanager
async def watching(
    house: House, resume_token: str = ""
) -> AsyncIterator[AsyncIterator[tokens_pb.WatchRevocationsResponse]]:
    """A stream of revocations."""
    request = tokens_pb.WatchRevocationsRequest(resume_token=resume_token)
    call = house.tokens.WatchRevocations(request, metadata=await house.a_service())
    try:
        yield aiter(call)
    finally:
        call.cancel()


async def news(stream: AsyncIterator[tokens_pb.WatchRevocationsResponse]) -> Any:
    """The next message that is no bookmark."""
    while True:
        message = await anext(stream)
        if not message.bookmark:
            return message


async def test_revocations_reach_a_watcher_in_their_order(house: House) -> None:
    """Those in force first, then a bookmark, then each as it happens, with its place."""
    await house.register("Ada")
    await house.register("Bob")
    ada, bob = await house.login("Ada"), await house.login("Bob")
    await house.stub.Logout(pb.LogoutRequest(), metadata=bearer(ada.access_token))
    async with watching(house) as stream:
        opening = await anext(stream)
        [first] = opening.revocations
        assert ("", ada.user.id, 0) == (opening.resume_token, first.user_id, first.generation)
        assert (await anext(stream)).bookmark
        await house.stub.Logout(
            pb.LogoutRequest(all_sessions=True), metadata=bearer(bob.access_token)
        )
        message = await news(stream)
        [second] = message.revocations
        assert (bob.user.id, "", 2) == (second.user_id, second.session_id, second.generation)
        assert first.revision < second.revision
    await house.disable(bob.user.id)
    async with watching(house, message.resume_token) as stream:
        # The admin's change of password lies before the change of Bob.
        revoked = [it for it in (await news(stream)).revocations if it.user_id == bob.user.id]
        assert [3] == [it.generation for it in revoked]


async def test_a_bookmark_comes_when_nothing_happens(house: House) -> None:
    """And is a place to resume from."""
    async with watching(house) as stream:
        bookmarks = [await anext(stream) for _ in range(2)]
    assert all(message.bookmark and message.resume_token for message in bookmarks)
    async with watching(house, bookmarks[-1].resume_token) as stream:
        assert (await anext(stream)).bookmark


@pytest.mark.parametrize("token", ["made up", "AAAA"])
async def test_a_place_that_is_none_is_refused(house: House, token: str) -> None:
    """With the reason of the contract."""
    async with watching(house, token) as stream:
        failure = await failure_of(anext(stream))
    assert (Kind.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID") == (failure.kind, failure.reason)


async def test_only_services_watch(house: House) -> None:
    """Users learn nothing of others' sessions."""
    call = house.tokens.WatchRevocations(
        tokens_pb.WatchRevocationsRequest(), metadata=await house.minding()
    )
    assert "ROLE_FORBIDDEN" == (await failure_of(anext(aiter(call)))).reason
