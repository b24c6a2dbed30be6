from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.application.commands.sessions import BeginSession, Begun, RefreshSession
from auth_service.domain.audit import Origin
from auth_service.domain.errors import RefreshTokenInvalid, RefreshTokenReused
from auth_service.domain.sessions import NewSession, parsed_refresh_token
from auth_service.domain.users import register
from tests.fakes.auth_records import FakeUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=30)
NEW = NewSession(str(UUID(int=7)), b"a" * 24, b"s" * 32, timedelta(days=30))


def test_what_is_stored_makes_no_token() -> None:
    """Neither secret nor token is in the session; printed, not even the hash and the seal are."""
    session, text = NEW.begin("u1", NOW)
    assert b"a" * 24 not in session.secret_hash + session.seal
    assert text not in repr(session)
    assert "sss" not in repr(session) + repr(NEW)


def test_a_session_knows_its_tokens_for_ever() -> None:
    """The one that works, those that worked, and no others, in constant space."""
    session, text = NEW.begin("u1", NOW)
    issued = [text]
    for number in range(50):
        session, text = session.refreshed(bytes([number]) * 24)
        issued.append(text)
    tokens = [parsed_refresh_token(text) for text in issued]
    assert [False] * 50 + [True] == [session.accepts(token) for token in tokens]
    assert [True] * 50 + [False] == [session.spent(token) for token in tokens]
    strangers, _ = NewSession(NEW.id, b"a" * 24, b"x" * 32, LIFETIME).begin("u1", NOW)
    assert not any(strangers.accepts(token) or strangers.spent(token) for token in tokens)


@given(st.integers(0, 74), st.sampled_from("Ab0-_"))
def test_a_token_that_somebody_made_up_is_no_spent_one(place: int, character: str) -> None:
    """Changed in any place it is invalid, and does not end the session."""
    session, text = NEW.begin("u1", NOW)
    spent = session.refreshed(b"b" * 24)[0]
    body = text.removeprefix("gpur_")
    changed = body[:place] + character + body[place + 1 :]
    if changed == body:
        return
    try:
        token = parsed_refresh_token(f"gpur_{changed}")
    except RefreshTokenInvalid:
        return
    # The last character has bits that mean nothing.
    if token != parsed_refresh_token(text):
        assert not spent.spent(token)
        assert not session.accepts(token)


@pytest.mark.parametrize("text", ["", "gpur_", "gpur_!", "x" * 75, "gpur_" + "A" * 500, "gpur_é"])
def test_no_token_is_no_token(text: str) -> None:
    """Whatever it is, it is invalid and not an accident."""
    with pytest.raises(RefreshTokenInvalid):
        parsed_refresh_token(text)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30))
def test_families_live_until_one_of_their_tokens_is_used_twice(
    uses: list[tuple[int, int]],
) -> None:
    """A model of three families and any order of uses: exactly the newest token works."""
    unit = FakeUnit()
    unit.users.add(register("u1", "Ada", "", "h", NOW)[0])
    issued = [[_begin(unit, family).refresh_token] for family in range(3)]
    alive = [True] * 3
    for step, (family, which) in enumerate(uses):
        tokens = issued[family]
        chosen = tokens[which % len(tokens)]
        answer = _refresh(unit, chosen, step)
        if not alive[family]:
            assert answer is None
        elif chosen == tokens[-1]:
            assert isinstance(answer, Begun)
            tokens.append(answer.refresh_token)
        else:
            assert isinstance(answer, RefreshTokenReused)
            alive[family] = False
    assert alive.count(False) == len(unit.events.appended)
    assert {str(UUID(int=n + 1)) for n in range(3) if alive[n]} == set(unit.sessions.by_id)


def _begin(unit: FakeUnit, family: int) -> Begun:
    new = NewSession(str(UUID(int=family + 1)), b"first" + bytes(19), b"s" * 32, LIFETIME)
    return BeginSession("u1", "h", "h", new, b"d", (), Origin(), NOW).run(unit)


def _refresh(unit: FakeUnit, text: str, step: int) -> Begun | RefreshTokenReused | None:
    secret = step.to_bytes(24, "big")
    command = RefreshSession(parsed_refresh_token(text), secret, LIFETIME, Origin(), NOW)
    try:
        return command.run(unit)
    except RefreshTokenInvalid:
        return None
