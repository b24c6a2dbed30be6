from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from auth_service.application.commands.api_keys import (
    CreateApiKey,
    CreateTicket,
    KeyWish,
    NoteKeyUse,
    RedeemTicket,
    RevokeApiKey,
)
from auth_service.application.commands.sessions import LogOut
from auth_service.application.ports import Subject
from auth_service.domain.api_keys import MOST_ACTIVE, MOST_KEPT, ApiKey, checked_key_name
from auth_service.domain.audit import Origin
from auth_service.domain.credentials import api_key_text, hashed
from auth_service.domain.errors import (
    ApiKeyInvalid,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyNotFound,
    RoleForbidden,
    TicketInvalid,
    UserNotFound,
)
from auth_service.domain.roles import Role
from auth_service.domain.sessions import NewSession
from auth_service.domain.tickets import Ticket
from auth_service.domain.users import register
from servicekit.errors import InvalidArgument
from servicekit.values import replace
from tests.fakes.auth_records import FakeUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)
LIFETIME = timedelta(minutes=30)
ORIGIN = Origin("u1", "Ada", "r1", "10.0.0.1")


@pytest.fixture
def unit() -> FakeUnit:
    """Ada (u1), a user; root (a1), an admin; job-service (s1)."""
    unit = FakeUnit()
    for user_id, name, role in (
        ("u1", "Ada", Role.USER),
        ("a1", "root", Role.ADMIN),
        ("s1", "job-service", Role.SERVICE),
    ):
        unit.users.add(register(user_id, name, "", "h", NOW, role=role)[0])
    return unit


def create(unit: FakeUnit, number: int = 1, **fields: Any) -> ApiKey:
    """Makes a key of Ada's, but for the fields."""
    wish: dict[str, Any] = {"name": f"key {number}", "role": None, "expires_at": None}
    wish |= {name: fields.pop(name) for name in wish if name in fields}
    values: dict[str, Any] = {
        "api_key_id": f"k{number}",
        "user_id": "u1",
        "secret": api_key_text(bytes([number % 256, number // 256, 0, 0, 0]), b"x" * 32),
        "longest": YEAR,
        "origin": ORIGIN,
        "now": NOW,
    }
    return CreateApiKey(wish=KeyWish(**wish), **values | fields).run(unit)


def test_a_key_shows_its_first_characters_and_keeps_a_hash(unit: FakeUnit) -> None:
    """The secret is in none of what is stored or printed."""
    secret = api_key_text(b"\x01\x02\x03\x04\x05", b"\xff" * 32)
    key = create(unit, secret=secret)
    assert ("gpuaas_aebagbaf", hashed(secret)) == (key.prefix, key.secret_hash)
    assert secret.startswith(key.prefix)
    assert secret not in repr(unit)
    assert (Role.USER, NOW + YEAR) == (key.role, key.expires_at)


@pytest.mark.parametrize(
    ("user_id", "role", "granted"),
    [
        ("u1", Role.USER, True),
        ("u1", Role.ADMIN, False),
        ("u1", Role.SERVICE, False),
        ("a1", Role.USER, True),
        ("a1", Role.SERVICE, False),
        ("s1", Role.SERVICE, True),
        ("s1", Role.USER, False),
    ],
)
def test_a_key_does_no_more_than_its_user(
    unit: FakeUnit, user_id: str, role: Role, granted: bool
) -> None:
    """Less it may do."""
    if granted:
        assert role is create(unit, user_id=user_id, role=role).role
    else:
        with pytest.raises(RoleForbidden):
            create(unit, user_id=user_id, role=role)


def test_a_key_ends_within_the_limit(unit: FakeUnit) -> None:
    """Neither now nor later than a key may."""
    assert NOW + YEAR == create(unit, 1, expires_at=NOW + YEAR).expires_at
    for number, wrong in enumerate((NOW, NOW + YEAR + timedelta(microseconds=1)), 2):
        with pytest.raises(InvalidArgument, match="expire_time"):
            create(unit, number, expires_at=wrong)


def test_names_are_taken_until_the_key_is_revoked(unit: FakeUnit) -> None:
    """By the same user; another one may call a key the same."""
    create(unit, 1, name="ci")
    with pytest.raises(ApiKeyNameTaken):
        create(unit, 2, name="ci")
    create(unit, 3, name="ci", user_id="a1")
    RevokeApiKey("k1", "u1", LIFETIME, ORIGIN, NOW).run(unit)
    create(unit, 4, name="ci")


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "x" * 101, "\x00"])
def test_names_can_be_read(name: str) -> None:
    """One line, no space at the ends, not too long."""
    with pytest.raises(InvalidArgument, match="name"):
        checked_key_name(name)


def test_keys_are_limited(unit: FakeUnit) -> None:
    """Those that work, and those that are remembered."""
    for number in range(MOST_ACTIVE):
        create(unit, number)
    with pytest.raises(ApiKeyLimitReached, match=str(MOST_ACTIVE)):
        create(unit, MOST_ACTIVE)
    later = NOW + YEAR
    for number in range(MOST_ACTIVE, MOST_KEPT):
        create(unit, number, now=later + number * YEAR)
    with pytest.raises(ApiKeyLimitReached, match=str(MOST_KEPT)):
        create(unit, MOST_KEPT, now=later + MOST_KEPT * YEAR)


def test_nobodys_key_is_not_made(unit: FakeUnit) -> None:
    """The user has to be there."""
    with pytest.raises(UserNotFound):
        create(unit, user_id="nobody")


def test_a_key_is_revoked_once_and_for_good(unit: FakeUnit) -> None:
    """Again is no error and changes nothing; a stranger's key does not exist."""
    create(unit)
    with pytest.raises(ApiKeyNotFound):
        RevokeApiKey("k1", "u2", LIFETIME, ORIGIN, NOW).run(unit)
    revoked = RevokeApiKey("k1", "u1", LIFETIME, ORIGIN, NOW).run(unit)
    assert NOW == revoked.revoked_at
    assert revoked == RevokeApiKey("k1", "", LIFETIME, ORIGIN, NOW + HOUR).run(unit)
    [event] = [it for it in unit.events.appended if it.kind == "tokens.revoked"]
    assert ("u1", "k1") == (event.subject, getattr(event, "session_id", ""))


def test_use_is_noted_once_a_minute(unit: FakeUnit) -> None:
    """In the key and in the audit log, together."""
    create(unit)
    for seconds in (0, 59, 60):
        NoteKeyUse("k1", Origin(), NOW + timedelta(seconds=seconds)).run(unit)
    assert NOW + timedelta(seconds=60) == unit.api_keys.by_id["k1"].last_used_at
    uses = [it.entry for it in unit.audit.appended if it.entry.action == "EXCHANGE_API_KEY"]
    assert ["Ada", "Ada"] == [entry.origin.actor for entry in uses]


def test_a_key_stops_with_whatever_it_stands_on(unit: FakeUnit) -> None:
    """It is over, revoked, its user is disabled or no longer has the role."""
    key = create(unit, user_id="a1", role=Role.ADMIN)
    root = unit.users.by_id["a1"]
    assert root == key.checked_user(root, NOW)
    for user, wrong, now in (
        (root, key, key.expires_at),
        (root, replace(key, revoked_at=NOW), NOW),
        (replace(root, disabled=True), key, NOW),
        (replace(root, role=Role.USER), key, NOW),
        (None, key, NOW),
    ):
        with pytest.raises(ApiKeyInvalid):
            wrong.checked_user(user, now)


def test_logging_out_with_a_key_does_not_stop_the_key(unit: FakeUnit) -> None:
    """Its tokens have no session; who wants an end of them revokes the key."""
    create(unit)
    assert 0 == LogOut("u1", "k1", False, LIFETIME, ORIGIN, NOW).run(unit)
    assert [] == [it for it in unit.events.appended if it.kind == "tokens.revoked"]


SESSION = str(UUID(int=1))


def ticket(**fields: Any) -> Ticket:
    """A ticket of Ada's session."""
    values: dict[str, Any] = {
        "hash": b"t",
        "user_id": "u1",
        "session_id": SESSION,
        "generation": 1,
        "role": Role.USER,
        "expires_at": NOW + timedelta(seconds=30),
        "token_expires_at": NOW + HOUR,
    }
    return Ticket(**values | fields)


def test_a_ticket_stands_for_its_token_once(unit: FakeUnit) -> None:
    """With the same session and role, until the token would have ended."""
    unit.sessions.add(NewSession(SESSION, b"x", b"y", HOUR).begin("u1", NOW)[0])
    CreateTicket(ticket()).run(unit)
    expected = Subject(unit.users.by_id["u1"], SESSION, Role.USER), NOW + HOUR
    assert expected == RedeemTicket(b"t", NOW).run(unit)
    with pytest.raises(TicketInvalid):
        RedeemTicket(b"t", NOW).run(unit)


def test_a_keys_ticket_lives_as_long_as_the_key(unit: FakeUnit) -> None:
    """Tokens got with an API key may make tickets too."""
    create(unit)
    for revoke in (False, True):
        CreateTicket(ticket(session_id="k1")).run(unit)
        if revoke:
            RevokeApiKey("k1", "u1", LIFETIME, ORIGIN, NOW).run(unit)
            with pytest.raises(TicketInvalid):
                RedeemTicket(b"t", NOW).run(unit)
        else:
            assert "k1" == RedeemTicket(b"t", NOW).run(unit)[0].session_id


@pytest.mark.parametrize(
    "fields",
    [{"generation": 0}, {"session_id": "ended"}, {"expires_at": NOW}, {"user_id": "nobody"}],
    ids=["generation", "session", "time", "user"],
)
def test_a_ticket_that_stands_for_nothing_is_refused(
    unit: FakeUnit, fields: dict[str, Any]
) -> None:
    """Late, or its session or its user's tokens have ended in between."""
    unit.sessions.add(NewSession(SESSION, b"x", b"y", HOUR).begin("u1", NOW)[0])
    CreateTicket(ticket(**fields)).run(unit)
    with pytest.raises(TicketInvalid):
        RedeemTicket(b"t", NOW).run(unit)
