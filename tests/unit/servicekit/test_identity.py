"""Tokens are verified completely once, remembered until they expire, and never taken on trust."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servicekit.clock import ManualClock
from servicekit.errors import Failure, Unauthenticated, Unavailable
from servicekit.identity import Identity, Role, Verifier, bearer_token
from tests.attacks import ATTACKS, EXPIRED, Attack
from tests.service.servicekit.issuer import ISSUER, Issuer

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock(NOW)


@pytest.fixture
def issuer() -> Issuer:
    """An issuer with one key."""
    return Issuer()


@pytest.fixture
def verifier(issuer: Issuer, clock: ManualClock) -> Verifier:
    """A verifier of that issuer."""
    return Verifier(issuer.jwks, ISSUER, clock=clock)


async def refusal(verifier: Verifier, token: str) -> Failure:
    """Returns why a token was refused."""
    with pytest.raises(Failure) as refused:
        await verifier.verify(token)
    return refused.value


async def test_a_good_token_names_its_bearer(issuer: Issuer, verifier: Verifier) -> None:
    """All claims arrive in the identity."""
    expected = Identity(
        subject="user-1",
        username="ada",
        role=Role.USER,
        team="physics",
        token_id="token-1",
        expires_at=NOW + timedelta(minutes=30),
        session_id="session-1",
        generation=3,
        issued_at=NOW,
        password_change_required=True,
        key_id="key-1",
    )
    claims = issuer.claims(NOW, sid="session-1", gen=3, password_change_required=True)
    assert expected == await verifier.verify(issuer.token(claims))


async def test_a_token_without_a_team_is_good(issuer: Issuer, verifier: Verifier) -> None:
    """Not every user has one."""
    identity = await verifier.verify(issuer.token(issuer.claims(NOW, team=None)))
    assert "" == identity.team


def good(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """Returns the claims of a good token with changes."""
    return issuer.claims(NOW, **changes)


def seconds(offset: float) -> int:
    """Returns a claim for so many seconds from now."""
    return int((NOW + timedelta(seconds=offset)).timestamp())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_no_attack_is_accepted(issuer: Issuer, verifier: Verifier, attack: Attack) -> None:
    """Each is refused as TOKEN_INVALID, also right after a good token from the same key."""
    await verifier.verify(issuer.token(good(issuer)))
    failure = await refusal(verifier, attack(issuer, NOW))
    assert (Unauthenticated, "TOKEN_INVALID") == (type(failure), failure.reason)


@pytest.mark.parametrize("attack", EXPIRED.values(), ids=EXPIRED.keys())
async def test_an_expired_token_is_told_apart(
    issuer: Issuer, verifier: Verifier, attack: Attack
) -> None:
    """The client may fetch a new one and go on."""
    failure = await refusal(verifier, attack(issuer, NOW))
    assert (Unauthenticated, "TOKEN_EXPIRED") == (type(failure), failure.reason)


async def test_a_remembered_token_expires_too(
    issuer: Issuer, verifier: Verifier, clock: ManualClock
) -> None:
    """To the second; and it is verified only once until then."""
    token = issuer.token(good(issuer))
    identity = await verifier.verify(token)
    clock.advance(timedelta(minutes=30) - timedelta(seconds=1))
    assert identity is verifier.cached(token)
    clock.advance(timedelta(seconds=1))
    assert verifier.cached(token) is None
    assert "TOKEN_EXPIRED" == (await refusal(verifier, token)).reason


async def test_the_memory_is_bounded_and_keeps_what_is_used(
    issuer: Issuer, clock: ManualClock
) -> None:
    """Many tokens push out the one not seen for longest."""
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock, cached_tokens=2)
    tokens = [issuer.token(good(issuer, jti=f"t-{number}")) for number in range(3)]
    await verifier.verify(tokens[0])
    await verifier.verify(tokens[1])
    verifier.cached(tokens[0])
    await verifier.verify(tokens[2])
    assert [True, False, True] == [verifier.cached(token) is not None for token in tokens]


async def test_a_new_key_is_fetched_once_for_all_who_wait(
    issuer: Issuer, clock: ManualClock
) -> None:
    """After a rotation a hundred calls at once ask the issuer one time."""
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock)
    await verifier.verify(issuer.token(good(issuer)))
    issuer.add_key("key-2")
    clock.advance(timedelta(seconds=10))
    token = issuer.token(good(issuer))
    await asyncio.gather(*(verifier.verify(token) for _ in range(100)))
    assert 2 == issuer.fetches


async def test_unknown_keys_do_not_hammer_the_issuer(issuer: Issuer, verifier: Verifier) -> None:
    """An attacker's key ids cost one fetch in five seconds."""
    for number in range(50):
        await refusal(verifier, issuer.token(good(issuer), {"kid": f"made-up-{number}"}))
    assert 1 == issuer.fetches


async def test_a_caller_that_gives_up_does_not_stop_the_others(
    issuer: Issuer, clock: ManualClock
) -> None:
    """The fetch is shared, so it belongs to nobody."""
    answer = asyncio.Event()

    async def slow() -> Mapping[str, Any]:
        await answer.wait()
        return await issuer.jwks()

    verifier = Verifier(slow, ISSUER, clock=clock)
    token = issuer.token(good(issuer))
    first, second = (asyncio.create_task(verifier.verify(token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    answer.set()
    assert "ada" == (await second).username


async def test_an_issuer_that_is_away_is_not_the_callers_fault(
    issuer: Issuer, clock: ManualClock
) -> None:
    """UNAVAILABLE, not UNAUTHENTICATED, and tried again after a while."""
    answers: list[Any] = [ConnectionError("refused")]

    async def sometimes() -> Mapping[str, Any]:
        if answers:
            raise answers.pop()
        return await issuer.jwks()

    verifier = Verifier(sometimes, ISSUER, clock=clock)
    token = issuer.token(good(issuer))
    failure = await refusal(verifier, token)
    assert isinstance(failure, Unavailable)
    assert isinstance(await refusal(verifier, token), Unavailable)
    assert failure.retry_after is not None
    clock.advance(failure.retry_after)
    assert "ada" == (await verifier.verify(token)).username


async def test_tokens_of_a_withdrawn_key_are_forgotten(
    issuer: Issuer, verifier: Verifier, clock: ManualClock
) -> None:
    """Once the new key set is known, remembered tokens of the old key do not count."""
    old = issuer.token(good(issuer))
    await verifier.verify(old)
    del issuer.keys["key-1"]
    issuer.add_key("key-2")
    clock.advance(timedelta(seconds=10))
    await verifier.verify(issuer.token(good(issuer)))
    assert verifier.cached(old) is None
    assert "TOKEN_INVALID" == (await refusal(verifier, old)).reason


async def test_a_key_set_that_is_old_is_asked_for_before_it_is_believed(
    issuer: Issuer, verifier: Verifier, clock: ManualClock
) -> None:
    """A service where nobody called for long does not let in whoever has a withdrawn key."""
    stolen = issuer.private_key
    await verifier.verify(issuer.token(good(issuer)))
    del issuer.keys["key-1"]
    clock.advance(timedelta(minutes=20))
    forged = issuer.token(issuer.claims(clock.now()), header={"kid": "key-1"}, key=stolen)
    assert "TOKEN_INVALID" == (await refusal(verifier, forged)).reason


async def test_keys_of_other_sorts_in_the_set_are_passed_over(
    issuer: Issuer, clock: ManualClock
) -> None:
    """An issuer may publish more than we use; a symmetric key among them is never used."""

    async def mixed() -> Mapping[str, Any]:
        more = [{"kty": "oct", "kid": "key-0", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": "r"}]
        return {"keys": [*more, *(await issuer.jwks())["keys"]]}

    verifier = Verifier(mixed, ISSUER, clock=clock)
    assert "ada" == (await verifier.verify(issuer.token(good(issuer)))).username
    confused = issuer.token(good(issuer), {"kid": "key-0", "alg": "HS256"}, b"secret")
    assert "TOKEN_INVALID" == (await refusal(verifier, confused)).reason


def test_the_bearer_scheme_is_case_insensitive() -> None:
    """As HTTP says."""
    assert "abc" == bearer_token("bearer abc")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "abc"])
def test_without_a_bearer_token_there_is_none(header: str | None) -> None:
    """TOKEN_MISSING, so that a client knows to log in."""
    with pytest.raises(Unauthenticated) as refused:
        bearer_token(header)
    assert "TOKEN_MISSING" == refused.value.reason
