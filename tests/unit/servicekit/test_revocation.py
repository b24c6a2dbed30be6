"""Revoked tokens are refused, known ones too; whoever cannot know lets nobody in."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servicekit.clock import ManualClock
from servicekit.errors import Failure, OutOfRange, Unauthenticated, Unavailable
from servicekit.identity import (
    Follower,
    Identity,
    News,
    OwnToken,
    Revocation,
    Revocations,
    Role,
    Verifier,
    following,
    revocation,
)
from tests.service.servicekit.issuer import ISSUER, Issuer

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
ADA = Identity(
    "user-1", "ada", Role.USER, "", "token-1", LATER, "session-1", generation=2, issued_at=NOW
)
BOB = replace(ADA, subject="user-2")
KEY = Revocation("", "", 0, LATER, key_id="key-1")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock(NOW)


@pytest.fixture
def revocations(clock: ManualClock) -> Revocations:
    """A set that knows that nothing was revoked."""
    known = Revocations(clock)
    known.open()
    return known


def reason(revocations: Revocations, identity: Identity) -> str:
    """Returns why an identity is refused, nothing where it is not."""
    refusal = revocations.refusal(identity)
    return refusal.reason if refusal else ""


def ended(session_id: str = "session-1", generation: int = 0) -> Revocation:
    """Returns a revocation of ada's."""
    return Revocation("user-1", session_id, generation, LATER)


def test_whatever_a_withdrawn_key_signed_is_refused(revocations: Revocations) -> None:
    """Of every user, and nothing that another key signed; everybody's streams are looked at."""
    told: list[frozenset[str] | None] = []
    revocations.subscribe(told.append)
    revocations.add([KEY, ended("session-9")])
    signed = [replace(it, key_id=key) for it in (ADA, BOB) for key in ("key-1", "key-2", "")]
    assert ["TOKEN_REVOKED", "", ""] * 2 == [reason(revocations, it) for it in signed]
    assert [None] == told


def test_an_ended_session_is_refused_and_no_other(revocations: Revocations) -> None:
    """Logging out of one device leaves the others alone."""
    revocations.add([ended()])
    assert "TOKEN_REVOKED" == reason(revocations, ADA)
    assert "" == reason(revocations, replace(ADA, session_id="session-2"))
    assert "" == reason(revocations, replace(ADA, subject="user-2"))


@pytest.mark.parametrize(("generation", "expected"), [
    (0, "TOKEN_REVOKED"), (1, "TOKEN_REVOKED"), (2, "TOKEN_REVOKED"), (3, ""), (4, ""),
])  # fmt: skip
def test_older_generations_are_refused(
    revocations: Revocations, generation: int, expected: str
) -> None:
    """Whoever signs in after all sessions were ended is let in, also in the same second."""
    revocations.add([ended("", 3)])
    assert expected == reason(revocations, replace(ADA, generation=generation))


def test_order_and_repeats_do_not_matter(revocations: Revocations) -> None:
    """An older piece of news takes nothing back."""
    revocations.add([ended("", 3), ended("", 2), ended("", 3)])
    assert "TOKEN_REVOKED" == reason(revocations, ADA)
    assert 1 == len(revocations)


async def test_before_all_is_known_nobody_is_let_in(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UNAVAILABLE and not UNAUTHENTICATED: it is no fault of the caller's."""
    monkeypatch.setattr(revocation, "OPENING_SECONDS", 0.01)
    issuer, unknown = Issuer(), Revocations(clock)
    clock.advance(timedelta(seconds=revocation.STARTING_SECONDS))
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock, revocations=unknown)
    token = issuer.token(issuer.claims(NOW))
    with pytest.raises(Unavailable):
        await verifier.verify(token)
    unknown.open()
    assert "ada" == (await verifier.verify(token)).username


async def test_a_call_waits_a_moment_for_the_opening(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first calls after a start are not refused for having come early."""
    monkeypatch.setattr(revocation, "OPENING_SECONDS", 0.0)
    issuer, unknown = Issuer(), Revocations(clock)
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock, revocations=unknown)
    verifying = asyncio.create_task(verifier.verify(issuer.token(issuer.claims(NOW))))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not verifying.done()
    unknown.open()
    assert "ada" == (await verifying).username


async def test_a_remembered_token_is_forgotten_when_it_is_revoked(
    clock: ManualClock, revocations: Revocations
) -> None:
    """A token of somebody else's stays."""
    issuer = Issuer()
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock, revocations=revocations)
    adas = issuer.token(issuer.claims(NOW, sid="session-1", gen=2))
    bobs = issuer.token(issuer.claims(NOW, sub="user-2", sid="session-2", gen=2))
    for token in (adas, bobs):
        await verifier.verify(token)
    revocations.add([ended()])
    assert verifier.cached(adas) is None
    assert verifier.cached(bobs) is not None
    with pytest.raises(Failure) as refused:
        await verifier.verify(adas)
    assert "TOKEN_REVOKED" == refused.value.reason


async def test_a_set_that_closes_lets_nobody_in(
    clock: ManualClock, revocations: Revocations
) -> None:
    """Remembered tokens do not count either."""
    issuer = Issuer()
    verifier = Verifier(issuer.jwks, ISSUER, clock=clock, revocations=revocations)
    token = issuer.token(issuer.claims(NOW))
    await verifier.verify(token)
    revocations.close()
    assert verifier.cached(token) is None
    assert "UNAVAILABLE" == reason(revocations, ADA)


def test_expired_revocations_make_room(clock: ManualClock) -> None:
    """They are kept as long as they can matter, and no longer than that when room is needed."""
    revocations = Revocations(clock, most=10)
    revocations.open()
    revocations.add([ended(f"session-{number}") for number in range(10)])
    clock.advance(timedelta(minutes=31))
    revocations.add([Revocation("user-2", "s", 0, NOW + timedelta(hours=1))])
    assert 1 == len(revocations)


def test_too_many_revocations_refuse_everybodys_older_tokens(clock: ManualClock) -> None:
    """A bounded memory errs on the safe side: whoever signs in anew is let in."""
    revocations = Revocations(clock, most=10)
    revocations.open()
    told: list[Any] = []
    revocations.subscribe(told.append)
    clock.advance(timedelta(seconds=1))
    revocations.add([Revocation(f"user-{number}", "", 2, LATER) for number in range(2, 14)])
    assert [None] == told
    assert "TOKEN_REVOKED" == reason(revocations, ADA)
    assert "" == reason(revocations, replace(ADA, issued_at=NOW + timedelta(seconds=1)))


class Stream:
    """A stream of news that a test feeds; `tokens` are those it was opened with."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.news: asyncio.Queue[News | Failure | None] = asyncio.Queue()

    def put(self, *items: News | Failure | None) -> None:
        for item in items:
            self.news.put_nowait(item)

    async def watch(self, resume_token: str) -> AsyncGenerator[News, None]:
        self.tokens.append(resume_token)
        while (item := await self.news.get()) is not None:
            if isinstance(item, Failure):
                raise item
            yield item


async def test_a_follower_opens_with_the_first_bookmark(clock: ManualClock) -> None:
    """Not with the first message: the snapshot may need several. A later run goes on from there."""
    stream, revocations = Stream(), Revocations(clock)
    follower = Follower(stream.watch, revocations, clock)
    stream.put(News([ended()], "1", bookmark=False), None)
    await follower.run()
    assert "UNAVAILABLE" == reason(revocations, BOB)
    stream.put(News([], "2", bookmark=True), None)
    await follower.run()
    assert "" == reason(revocations, BOB)
    assert "TOKEN_REVOKED" == reason(revocations, ADA)
    assert ["", "1"] == stream.tokens


async def test_a_silent_stream_is_taken_for_broken(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may be dead without anybody saying so."""
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.01)
    with pytest.raises(Unavailable, match="fallen silent"):
        await Follower(Stream().watch, Revocations(clock), clock).run()


async def test_silence_beyond_the_grace_closes(clock: ManualClock) -> None:
    """A restart of the issuer is no outage; a long one is, and then all is asked for again."""
    stream, revocations = Stream(), Revocations(clock)
    follower = Follower(stream.watch, revocations, clock, grace=timedelta(minutes=1))
    stream.put(News([], "7", bookmark=True), Unavailable("away"))
    with pytest.raises(Unavailable):
        await follower.run()
    assert "" == reason(revocations, BOB)
    clock.advance(timedelta(seconds=61))
    stream.put(Unavailable("still away"), News([], "9", bookmark=True), None)
    with pytest.raises(Unavailable):
        await follower.run()
    assert "UNAVAILABLE" == reason(revocations, BOB)
    await follower.run()
    assert "" == reason(revocations, BOB)
    assert ["", "7", ""] == stream.tokens


async def test_a_cursor_that_is_too_old_begins_anew(clock: ManualClock) -> None:
    """Nothing is missed: what is in force comes first."""
    stream = Stream()
    follower = Follower(stream.watch, Revocations(clock), clock)
    stream.put(News([], "7", bookmark=True), None, OutOfRange("too old"), None)
    await follower.run()
    with pytest.raises(OutOfRange):
        await follower.run()
    await follower.run()
    assert ["", "7", ""] == stream.tokens


async def test_an_own_token_is_renewed_in_time_and_after_a_refusal(clock: ManualClock) -> None:
    """Many who need it at once cause one login."""
    logins = 0

    async def log_in() -> tuple[str, timedelta]:
        nonlocal logins
        logins += 1
        await asyncio.sleep(0)
        return f"token-{logins}", timedelta(minutes=30)

    token = OwnToken(log_in, clock, interval=timedelta(0))
    assert ("token-1", "token-1", "token-1") == tuple(
        await asyncio.gather(*[token() for _ in range(3)])
    )
    clock.advance(timedelta(minutes=14))
    assert "token-1" == await token()
    clock.advance(timedelta(minutes=1))
    assert "token-2" == await token()
    token.refused()
    assert "token-3" == await token()


async def test_a_failed_login_is_not_tried_at_every_call(clock: ManualClock) -> None:
    """A wrong password is checked once a second; until there is a token nothing else is given."""
    tries = 0

    async def log_in() -> tuple[str, timedelta]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unauthenticated("name and password do not match", reason="CREDENTIALS_INVALID")
        return "token", timedelta(minutes=30)

    token = OwnToken(log_in, clock)
    for _ in range(5):
        with pytest.raises(Unavailable, match="cannot sign in: name and password do not match"):
            await token()
    assert 1 == tries
    clock.advance(timedelta(seconds=1))
    assert "token" == await token()
