from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth_service.application.commands.accounts import (
    CreateFirstAdmin,
    ImportedUser,
    ImportUsers,
    RegisterUser,
    SetServiceAccount,
)
from auth_service.application.commands.signing_keys import (
    EnsureSigningKey,
    RetireSigningKeys,
    RotateSigningKey,
)
from auth_service.domain.audit import SYSTEM, Action, Origin
from auth_service.domain.errors import EmailTaken, UsernameInvalid, UsernameTaken
from auth_service.domain.events import SigningKeyAdded, TokensRevoked, UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import KEPT, SigningKey
from auth_service.domain.users import User
from tests.fakes.auth_records import FakeUnit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LIFETIME = timedelta(minutes=30)


def registration(**changes: Any) -> RegisterUser:
    """A registration of Ada, but for the changes."""
    ada: dict[str, Any] = {
        "user_id": "u1",
        "username": "Ada",
        "email": "",
        "password_hash": "h",
        "origin": Origin(request_id="r1"),
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
    """The account is made once; another password ends what the one before had got."""
    unit = FakeUnit()
    made = SetServiceAccount("s1", "job-service", "h1", LIFETIME, NOW).run(unit)
    changed = SetServiceAccount("s2", "job-service", "h2", LIFETIME, LATER).run(unit)
    assert ("s1", Role.SERVICE, "h1") == (made.id, made.role, made.password_hash)
    assert ("s1", Role.SERVICE, "h2") == (changed.id, changed.role, changed.password_hash)
    assert {"s1": changed} == unit.users.by_id
    [registered_event, revoked] = unit.events.appended
    assert isinstance(registered_event, UserRegistered)
    assert TokensRevoked("s1", "", 2, LATER + LIFETIME, LATER) == revoked


def test_a_persons_account_does_not_become_a_services() -> None:
    """Whoever registered the name of a service keeps it, and the start says so."""
    unit = FakeUnit()
    person = registered(unit, username="job-service")
    with pytest.raises(UsernameTaken):
        SetServiceAccount("s1", "job-service", "h2", LIFETIME, LATER).run(unit)
    assert {"u1": person} == unit.users.by_id


def key(name: str, signs_from: datetime) -> SigningKey:
    """A signing key."""
    return SigningKey(name, b"public", b"geheim", False, NOW, signs_from)


def test_the_signing_key_is_made_once() -> None:
    """A later start, or a replica, signs with the key that is there."""
    unit = FakeUnit()
    first, second = key("k1", NOW), key("k2", LATER)
    assert [first] == EnsureSigningKey(first).run(unit)
    assert [first] == EnsureSigningKey(second).run(unit)
    assert [first] == unit.signing_keys.all()


def test_a_rotation_adds_a_key_and_says_so() -> None:
    """To the log, for services that run, and to the audit log; the old key is retired later."""
    unit = FakeUnit()
    old, new = key("k1", NOW), key("k2", LATER)
    EnsureSigningKey(old).run(unit)
    assert [old, new] == RotateSigningKey(new, False, NOW).run(unit)
    assert [SigningKeyAdded("k2", NOW)] == unit.events.appended
    assert [(Action.ROTATE_SIGNING_KEY, "k2")] == audited(unit)
    assert 0 == RetireSigningKeys(LIFETIME, LATER + LIFETIME).run(unit)
    assert 1 == RetireSigningKeys(LIFETIME, LATER + LIFETIME + LIFETIME).run(unit)
    assert [new] == unit.signing_keys.all()
    assert 0 == RetireSigningKeys(LIFETIME, LATER + timedelta(days=999)).run(unit)


def test_a_stolen_key_is_gone_at_once() -> None:
    """With all others, so that nothing they signed is good any more."""
    unit = FakeUnit()
    EnsureSigningKey(key("k1", NOW)).run(unit)
    assert [key("k2", NOW)] == RotateSigningKey(key("k2", NOW), True, NOW).run(unit)
    [(_, revoked)] = unit.revocations.by_key.values()
    assert ("k1", "", NOW + KEPT) == (revoked.key_id, revoked.user_id, revoked.expires_at)


def imported(line: int, username: str, email: str = "") -> ImportedUser:
    """A line of an import."""
    return ImportedUser(line, f"i{line}", username, email, Role.USER, "engines", "old hash")


def test_an_import_makes_all_users_and_audits_each() -> None:
    """With the team and the hash that they come with."""
    unit = FakeUnit()
    done = ImportUsers((imported(2, "Ada"), imported(3, "bob")), False, NOW).run(unit)
    assert (2, 0, ()) == (done.made, done.skipped, done.collisions)
    assert ["engines"] * 2 == [user.team for user in unit.users.by_id.values()]
    assert [(Action.IMPORT_USER, "i2"), (Action.IMPORT_USER, "i3")] == audited(unit)


def test_an_import_that_collides_makes_nobody() -> None:
    """Lines and fields are named; with skipping, only those whose name is taken are left out."""
    unit = FakeUnit()
    registered(unit, email="ada@example.org")
    users = (imported(2, "ADA"), imported(3, "bob", "ada@example.org"), imported(4, "cyd"))
    done = ImportUsers(users, False, NOW).run(unit)
    assert ((2, "username"), (3, "email")) == done.collisions
    assert ((3, "email"),) == ImportUsers(users, True, NOW).run(unit).collisions
    assert ["u1"] == list(unit.users.by_id)
    done = ImportUsers((users[0], users[2]), True, NOW).run(unit)
    assert (1, 1, ()) == (done.made, done.skipped, done.collisions)


def test_every_account_that_is_made_is_audited() -> None:
    """With who made it: somebody who is not signed in, or the system."""
    unit = FakeUnit()
    registered(unit)
    CreateFirstAdmin("a1", "admin", "h", NOW).run(unit)
    SetServiceAccount("s1", "job-service", "h", LIFETIME, NOW).run(unit)
    expected = [
        (Action.REGISTER, "u1"),
        (Action.CREATE_FIRST_ADMIN, "a1"),
        (Action.SET_SERVICE_ACCOUNT, "s1"),
    ]
    assert expected == audited(unit)
    origins = [event.entry.origin for event in unit.audit.appended]
    assert [Origin(request_id="r1"), SYSTEM, SYSTEM] == origins


def test_no_secret_shows_when_a_command_is_printed() -> None:
    """Hashes and keys stay out of whatever prints these objects."""
    unit = FakeUnit()
    printed = f"{registration(password_hash='geheim')} {registered(unit, password_hash='geheim')}"
    assert "geheim" not in printed
    assert "geheim" not in repr(key("k1", NOW))


def audited(unit: FakeUnit) -> list[tuple[Action, str]]:
    """What the audit log has: actions and targets."""
    return [(event.entry.action, event.entry.target) for event in unit.audit.appended]
