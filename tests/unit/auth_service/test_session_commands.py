from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from auth_service.application.commands.administration import RevokeSessions, UpdateUser
from auth_service.application.commands.sessions import (
    BeginSession,
    Begun,
    ChangePassword,
    LogOut,
    RefreshSession,
)
from auth_service.domain.audit import Action, Origin, Outcome
from auth_service.domain.errors import (
    AccessRevoked,
    CredentialsInvalid,
    EmailTaken,
    LastAdmin,
    PasswordWrong,
    RefreshTokenInvalid,
    RefreshTokenReused,
    UserNotFound,
)
from auth_service.domain.guessing import Limits, fresh
from auth_service.domain.roles import Role
from auth_service.domain.sessions import MOST_SESSIONS, NewSession, parsed_refresh_token
from auth_service.domain.users import User, UserChanges, register
from servicekit.errors import InvalidArgument
from servicekit.values import replace
from tests.fakes.auth_records import FakeUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
LIFETIME = timedelta(minutes=30)
SESSION_LIFETIME = timedelta(days=30)
ORIGIN = Origin("a1", "root", "r1", "10.0.0.1")


@pytest.fixture
def unit() -> FakeUnit:
    """Ada (u1), a user, and root (a1), the only admin."""
    unit = FakeUnit()
    unit.users.add(register("u1", "Ada", "", "h", NOW)[0])
    unit.users.add(register("a1", "root", "", "h", NOW, role=Role.ADMIN)[0])
    return unit


def new_session(number: int = 1) -> NewSession:
    """What a session is begun with."""
    return NewSession(
        str(UUID(int=number)), bytes([number % 256]) * 24, b"s" * 32, SESSION_LIFETIME
    )


def begin(unit: FakeUnit, number: int = 1, **fields: Any) -> Begun:
    """Signs Ada in."""
    values: dict[str, Any] = {
        "user_id": "u1",
        "verified_hash": "h",
        "password_hash": "h",
        "session": new_session(number),
        "device_hash": b"device",
        "charges": (),
        "origin": Origin(address="10.0.0.1"),
        "now": NOW,
    }
    return BeginSession(**values | fields).run(unit)


def refresh(unit: FakeUnit, token: str, now: datetime = NOW, secret: bytes = b"n" * 24) -> Any:
    """Refreshes a session."""
    command = RefreshSession(parsed_refresh_token(token), secret, LIFETIME, Origin(), now)
    return command.run(unit)


def test_a_login_begins_a_session(unit: FakeUnit) -> None:
    """The user shows when it signed in last, the device is known, and the log names the user."""
    begun = begin(unit, now=LATER)
    user = unit.users.by_id["u1"]
    assert (LATER, NOW) == (user.last_login_at, user.updated_at)
    assert LATER + SESSION_LIFETIME == begun.expires_at
    assert "u1" == unit.devices.by_hash[b"device"].user_id
    [entry] = [event.entry for event in unit.audit.appended]
    assert (Action.LOGIN, "u1", "Ada") == (entry.action, entry.target, entry.origin.actor)
    assert Outcome.SUCCEEDED is entry.outcome


def test_a_login_stores_a_better_hash(unit: FakeUnit) -> None:
    """That was made while the password was at hand; the user's tokens go on."""
    begin(unit, password_hash="better")
    assert ("better", 1) == (
        unit.users.by_id["u1"].password_hash,
        unit.users.by_id["u1"].generation,
    )


def test_a_user_changed_in_the_meantime_does_not_get_in(unit: FakeUnit) -> None:
    """The password was right, yet the transaction has the last word."""
    ada = unit.users.by_id["u1"]
    for changed in (replace(ada, disabled=True), replace(ada, password_hash="another")):
        unit.users.replace(changed)
        with pytest.raises(CredentialsInvalid):
            begin(unit)
    with pytest.raises(CredentialsInvalid):
        begin(unit, user_id="nobody")


def test_success_takes_back_what_was_charged(unit: FakeUnit) -> None:
    """The row of failures ends; what other attempts used of the budget stays used."""
    charges = Limits().stranger("ada", "10.0.0.1")
    for charge in charges:
        twice = fresh(NOW).charged(charge.rule, NOW).charged(charge.rule, NOW)
        unit.tallies.put(charge.key, twice)
    begin(unit, charges=charges)
    for charge in charges:
        tally = unit.tallies.by_key[charge.key]
        assert (0, NOW + charge.rule.interval) == (tally.failures, tally.spent_until)


def test_a_user_has_so_many_sessions(unit: FakeUnit) -> None:
    """One more takes the place of the oldest, which nobody calls stolen."""
    first = begin(unit, 1)
    for number in range(2, MOST_SESSIONS + 2):
        begin(unit, number, now=NOW + timedelta(seconds=number))
    assert MOST_SESSIONS == len(unit.sessions.by_id)
    with pytest.raises(RefreshTokenInvalid):
        refresh(unit, first.refresh_token)
    assert [] == unit.events.appended


def test_a_refresh_token_works_once(unit: FakeUnit) -> None:
    """The next one works then; the session ends when it would have ended."""
    first = begin(unit)
    second = refresh(unit, first.refresh_token, LATER)
    assert isinstance(second, Begun)
    assert second.refresh_token != first.refresh_token
    assert (first.session_id, first.expires_at) == (second.session_id, second.expires_at)
    assert isinstance(refresh(unit, second.refresh_token, LATER, b"m" * 24), Begun)


def test_a_second_use_ends_the_session(unit: FakeUnit) -> None:
    """For both who have a token of it; other sessions go on, and the log tells of it."""
    first, other = begin(unit, 1), begin(unit, 2)
    second = refresh(unit, first.refresh_token)
    assert isinstance(refresh(unit, first.refresh_token), RefreshTokenReused)
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(RefreshTokenInvalid):
            refresh(unit, token)
    assert isinstance(refresh(unit, other.refresh_token), Begun)
    assert [("u1", first.session_id, 0)] == revocations(unit)
    refused = [it.entry for it in unit.audit.appended if it.entry.outcome is Outcome.REFUSED]
    assert ["REFRESH_TOKEN_REUSED"] == [entry.reason for entry in refused]


def test_a_session_ends_however_often_it_is_refreshed(unit: FakeUnit) -> None:
    """At its own time, and with its user's access."""
    begun = begin(unit)
    with pytest.raises(RefreshTokenInvalid):
        refresh(unit, begun.refresh_token, begun.expires_at)
    unit.users.replace(replace(unit.users.by_id["u1"], disabled=True))
    with pytest.raises(RefreshTokenInvalid):
        refresh(unit, begun.refresh_token)


def test_logging_out_ends_one_session_or_all(unit: FakeUnit) -> None:
    """Again is no error; the tokens are revoked in any case."""
    sessions = [begin(unit, number) for number in (1, 2, 3)]

    def log_out(all_sessions: bool) -> int:
        command = LogOut("u1", sessions[0].session_id, all_sessions, LIFETIME, ORIGIN, NOW)
        return command.run(unit)

    assert [1, 0, 2, 0] == [log_out(every) for every in (False, False, True, True)]
    one = ("u1", sessions[0].session_id, 0)
    assert [one, one, ("u1", "", 2), ("u1", "", 3)] == revocations(unit)
    assert 3 == unit.users.by_id["u1"].generation


def change(unit: FakeUnit, matched: str = "h") -> Begun:
    """Changes Ada's password."""
    charges = Limits().owner("u1")
    command = ChangePassword("u1", matched, "new", new_session(9), charges, LIFETIME, ORIGIN, NOW)
    return command.run(unit)


def test_another_password_ends_everything_else(unit: FakeUnit) -> None:
    """Sessions, tokens and devices; one session begins, and a one-time password is no more."""
    old = begin(unit)
    unit.users.replace(replace(unit.users.by_id["u1"], password_change_required=True))
    begun = change(unit)
    user = unit.users.by_id["u1"]
    assert ("new", False, 2) == (user.password_hash, user.password_change_required, user.generation)
    assert [begun.session_id] == list(unit.sessions.by_id)
    assert {} == unit.devices.by_hash
    assert [("u1", "", 2)] == revocations(unit)
    with pytest.raises(RefreshTokenInvalid):
        refresh(unit, old.refresh_token)


def test_a_wrong_password_changes_nothing(unit: FakeUnit) -> None:
    """Nor one that was right until a moment ago, nor a disabled user's."""
    for matched in ("", "the one before"):
        with pytest.raises(PasswordWrong):
            change(unit, matched)
    unit.users.replace(replace(unit.users.by_id["u1"], disabled=True))
    with pytest.raises(AccessRevoked):
        change(unit)
    assert {} == unit.sessions.by_id


def update(unit: FakeUnit, user_id: str = "u1", **changes: Any) -> User:
    """An admin changes a user."""
    command = UpdateUser(user_id, UserChanges(**changes), "why", LIFETIME, ORIGIN, LATER)
    return command.run(unit)


@pytest.mark.parametrize(
    ("changes", "ended", "revoked"),
    [
        ({"role": Role.ADMIN}, True, True),
        ({"disabled": True}, True, True),
        ({"team": "engines"}, False, True),
        ({"email": "ada@example.org"}, False, False),
        ({"team": "default", "role": Role.USER, "disabled": False, "email": ""}, False, False),
    ],
)
def test_a_change_ends_what_it_makes_wrong(
    unit: FakeUnit, changes: dict[str, Any], ended: bool, revoked: bool
) -> None:
    """Sessions with another role or none; tokens that say something else than is true now."""
    begin(unit)
    update(unit, **changes)
    assert ended is (not unit.sessions.by_id)
    assert revoked is bool(revocations(unit))


def test_a_change_is_audited_by_field(unit: FakeUnit) -> None:
    """With the words of the admin; where nothing changed there is no entry."""
    user = update(unit, role=Role.ADMIN, disabled=True, email="a@b")
    assert (LATER, "a@b") == (user.updated_at, user.email)
    assert user == update(unit, disabled=True)
    [entry] = [event.entry for event in unit.audit.appended]
    assert ("why", ORIGIN, "u1") == (entry.reason, entry.origin, entry.target)
    expected = {"role": "user -> admin", "disabled": "false -> true", "email": " -> a@b"}
    assert expected == dict(entry.changes)


def test_somebody_stays_who_can_manage(unit: FakeUnit) -> None:
    """The last active admin is neither disabled nor made anything else, by nobody."""
    for changes in ({"disabled": True}, {"role": Role.USER}):
        with pytest.raises(LastAdmin):
            update(unit, "a1", **changes)
    update(unit, "u1", role=Role.ADMIN)
    assert update(unit, "a1", disabled=True).disabled
    with pytest.raises(LastAdmin):
        update(unit, "u1", disabled=True)


def test_a_change_may_not_collide(unit: FakeUnit) -> None:
    """An address belongs to one user; the same one in other letters may be taken again."""
    update(unit, email="ada@example.org")
    assert "ADA@example.org" == update(unit, email="ADA@example.org").email
    with pytest.raises(EmailTaken):
        update(unit, "a1", email="Ada@Example.org")
    with pytest.raises(InvalidArgument):
        update(unit, team="no team")
    with pytest.raises(UserNotFound):
        update(unit, "nobody", disabled=True)


def test_sessions_are_ended_by_an_admin(unit: FakeUnit) -> None:
    """All of a user's, who may sign in again; nobody's are not found."""
    begin(unit, 1)
    begin(unit, 2)
    assert 2 == RevokeSessions("u1", "left", LIFETIME, ORIGIN, NOW).run(unit)
    assert [("u1", "", 2)] == revocations(unit)
    assert "left" == unit.audit.appended[-1].entry.reason
    begin(unit, 3)
    with pytest.raises(UserNotFound):
        RevokeSessions("nobody", "", LIFETIME, ORIGIN, NOW).run(unit)


def revocations(unit: FakeUnit) -> list[tuple[str, str, int]]:
    """What was revoked, in its order."""
    events: list[Any] = [it for it in unit.events.appended if it.kind == "tokens.revoked"]
    assert all(event.expires_at == event.at + LIFETIME for event in events)
    return [(event.user_id, event.session_id, event.generation) for event in events]
