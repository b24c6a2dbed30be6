import itertools
from datetime import UTC, datetime, timedelta

import pytest

from auth_service.domain.passwords import PasswordRules
from auth_service.domain.roles import Role
from auth_service.domain.users import register
from auth_service.entrypoints.first_start import SERVICE_ACCOUNTS, FirstStart
from servicekit.clock import ManualClock
from servicekit.config import ConfigurationError
from tests.fakes.auth_service import FakeHasher, FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "a good password"


@pytest.fixture
def store() -> FakeStore:
    """An empty database."""
    return FakeStore()


@pytest.fixture
def start(store: FakeStore) -> FirstStart:
    """A start over that database."""
    ids = map("id-{}".format, itertools.count())
    clock = ManualClock(NOW)
    return FirstStart(
        store, store, FakeHasher(), PasswordRules(), timedelta(minutes=30), clock, ids.__next__
    )


async def test_an_empty_database_gets_its_admin_once(store: FakeStore, start: FirstStart) -> None:
    """A second start finds the admin, and gives it no other password."""
    await start.first_admin("admin", PASSWORD)
    await start.first_admin("admin", "another good password")
    [admin] = store.unit.users.by_id.values()
    assert ("admin", Role.ADMIN) == (admin.username, admin.role)
    assert f"hash of {PASSWORD}" == admin.password_hash


async def test_without_a_password_there_is_no_admin(store: FakeStore, start: FirstStart) -> None:
    """No default password is ever made up."""
    await start.first_admin("admin", "")
    assert {} == store.unit.users.by_id


async def test_service_accounts_follow_the_configured_password(
    store: FakeStore, start: FirstStart
) -> None:
    """They are made, left alone while the password is theirs, and changed when it is not."""
    await start.service_accounts(PASSWORD)
    made = dict(store.unit.users.by_id)
    assert list(SERVICE_ACCOUNTS) == [user.username for user in made.values()]
    assert {Role.SERVICE} == {user.role for user in made.values()}

    await start.service_accounts(PASSWORD)
    assert made == store.unit.users.by_id

    await start.service_accounts("another good password")
    hashes = {user.password_hash for user in store.unit.users.by_id.values()}
    assert {"hash of another good password"} == hashes


async def test_a_weak_password_ends_the_start(store: FakeStore, start: FirstStart) -> None:
    """The message says what was expected, and nothing is stored."""
    with pytest.raises(ConfigurationError, match="12 characters or more"):
        await start.first_admin("admin", "short")
    with pytest.raises(ConfigurationError, match="12 characters or more"):
        await start.service_accounts("short")
    assert {} == store.unit.users.by_id


async def test_a_name_that_a_person_has_ends_the_start(store: FakeStore, start: FirstStart) -> None:
    """Nobody gets a service's or the admin's rights by having registered its name before."""
    for username in ("admin", SERVICE_ACCOUNTS[0]):
        store.unit.users.add(register(username, username, "", "h", NOW)[0])
    with pytest.raises(ConfigurationError, match="the username admin is taken"):
        await start.first_admin("admin", PASSWORD)
    with pytest.raises(ConfigurationError, match=f"the username {SERVICE_ACCOUNTS[0]} is taken"):
        await start.service_accounts(PASSWORD)
