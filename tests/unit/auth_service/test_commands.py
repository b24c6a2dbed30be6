from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth_service.application.commands import (
    CreateFirstAdmin,
    EnsureSigningKey,
    RecordLogin,
    RegisterUser,
    SetServiceAccount,
)
from auth_service.domain.errors import (
    CredentialsInvalid,
    EmailTaken,
    UsernameInvalid,
    UsernameTaken,
)
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from tests.fakes.auth_service import FakeUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def registration(**changes: Any) -> RegisterUser:
    """A registration of Ada, but for the changes."""
    ada: dict[str, Any] = {
        "user_id": "u1",
        "username": "Ada",
        "email": "",
        "password_hash": "h",
        "now": NOW,
    }
    return RegisterUser(**ada | changes)


def registered(unit: FakeUnit, **changes: Any) -> User:
    """The user that a registration made."""
    return registration(**changes).run(unit)


def test_registering_makes_a_user_and_an_event() -> None:
    """A new user has the role USER and the default team, and the log tells of it."""
    unit = FakeUnit()
    user = registered(unit, email="ada@example.org")
    expected = User(
        id="u1",
        username="Ada",
        password_hash="h",
        role=Role.USER,
        created_at=NOW,
        updated_at=NOW,
        email="ada@example.org",
        team="default",
    )
    assert expected == user
    assert {"u1": expected} == unit.users.by_id
    assert [UserRegistered("u1", "Ada", Role.USER, NOW)] == unit.events.appended


def test_a_name_belongs_to_one_user() -> None:
    """The same name in other letters is taken, and the refusal names the field."""
    unit = FakeUnit()
    registered(unit)
    with pytest.raises(UsernameTaken) as refused:
        registered(unit, user_id="u2", username="ADA")
    assert {"field": "username"} == refused.value.metadata
    assert ["u1"] == list(unit.users.by_id)
    assert 1 == len(unit.events.appended)


def test_an_address_belongs_to_one_user() -> None:
    """An address is taken whatever its case; having none collides with nobody."""
    unit = FakeUnit()
    registered(unit, email="ada@example.org")
    with pytest.raises(EmailTaken):
        registered(unit, user_id="u2", username="bob", email="ADA@example.org")
    registered(unit, user_id="u3", username="cyd")
    registered(unit, user_id="u4", username="dan")
    assert ["u1", "u3", "u4"] == list(unit.users.by_id)


def test_a_name_that_is_none_is_refused() -> None:
    """The rules of names hold wherever the command comes from."""
    with pytest.raises(UsernameInvalid):
        registered(FakeUnit(), username="a b")


def test_a_login_is_remembered() -> None:
    """The user shows when it signed in last; nothing else about it changes."""
    unit = FakeUnit()
    registered(unit)
    user = RecordLogin("u1", LATER).run(unit)
    assert (LATER, NOW) == (user.last_login_at, user.updated_at)
    assert user == unit.users.get("u1")


def test_a_user_disabled_in_the_meantime_does_not_get_in() -> None:
    """The password was right, yet the transaction has the last word."""
    unit = FakeUnit()
    unit.users.by_id["u1"] = replace(registered(unit), disabled=True)
    with pytest.raises(CredentialsInvalid):
        RecordLogin("u1", LATER).run(unit)
    with pytest.raises(CredentialsInvalid):
        RecordLogin("nobody", LATER).run(unit)


def test_the_first_admin_is_made_once() -> None:
    """It must choose another password; where an admin is, no other is made."""
    unit = FakeUnit()
    assert CreateFirstAdmin("a1", "admin", "h", NOW).run(unit)
    assert not CreateFirstAdmin("a2", "root", "h", LATER).run(unit)
    [admin] = unit.users.by_id.values()
    assert (Role.ADMIN, True) == (admin.role, admin.password_change_required)
    assert [UserRegistered("a1", "admin", Role.ADMIN, NOW)] == unit.events.appended


def test_nobody_becomes_admin_by_having_the_name() -> None:
    """A user called like the first admin stays a user, and no admin is made."""
    unit = FakeUnit()
    registered(unit, username="Admin")
    with pytest.raises(UsernameTaken):
        CreateFirstAdmin("a1", "admin", "h", NOW).run(unit)
    assert not unit.users.has_admin()


def test_a_service_account_follows_its_password() -> None:
    """The account is made once; setting it again changes only the password."""
    unit = FakeUnit()
    made = SetServiceAccount("s1", "job-service", "h1", NOW).run(unit)
    changed = SetServiceAccount("s2", "job-service", "h2", LATER).run(unit)
    assert ("s1", Role.SERVICE, "h1") == (made.id, made.role, made.password_hash)
    assert ("s1", Role.SERVICE, "h2") == (changed.id, changed.role, changed.password_hash)
    assert {"s1": changed} == unit.users.by_id
    assert 1 == len(unit.events.appended)


def test_a_persons_account_does_not_become_a_services() -> None:
    """Whoever registered the name of a service keeps it, and the start says so."""
    unit = FakeUnit()
    person = registered(unit, username="job-service")
    with pytest.raises(UsernameTaken):
        SetServiceAccount("s1", "job-service", "h2", LATER).run(unit)
    assert {"u1": person} == unit.users.by_id


def test_the_signing_key_is_made_once() -> None:
    """A later start, or a replica, signs with the key that is there."""
    unit = FakeUnit()
    first, second = SigningKey("k1", b"1", NOW), SigningKey("k2", b"2", LATER)
    assert first == EnsureSigningKey(first).run(unit)
    assert first == EnsureSigningKey(second).run(unit)
    assert [first] == unit.signing_keys.keys


def test_no_secret_shows_when_a_command_is_printed() -> None:
    """Hashes and keys stay out of whatever prints these objects."""
    unit = FakeUnit()
    printed = f"{registration(password_hash='geheim')} {registered(unit, password_hash='geheim')}"
    assert "geheim" not in printed
    assert "geheim" not in repr(SigningKey("k1", b"geheim", NOW))
