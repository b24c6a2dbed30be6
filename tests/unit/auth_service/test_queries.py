from dataclasses import replace
from datetime import UTC, datetime

import pytest

from auth_service.application.queries import authenticate, current_user
from auth_service.domain.errors import AccessRevoked, CredentialsInvalid
from auth_service.domain.users import User, register
from tests.fakes.auth_service import FakeHasher, FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ada() -> User:
    """A user whose password is 'right'."""
    return register("u1", "Ada", "", "hash of right", NOW)[0]


@pytest.fixture
def store(ada: User) -> FakeStore:
    """A directory that knows Ada."""
    store = FakeStore()
    store.unit.users.add(ada)
    return store


async def test_name_and_password_make_a_user(store: FakeStore, ada: User) -> None:
    """The name may be written in other letters."""
    assert ada == await authenticate(store, FakeHasher(), "aDA", "right")


@pytest.mark.parametrize(
    ("username", "password"),
    [("Ada", "wrong"), ("nobody", "right"), ("no name\x00", "right"), ("x" * 10_000, "right")],
)
async def test_whatever_is_wrong_costs_one_hash_and_says_the_same(
    store: FakeStore, username: str, password: str
) -> None:
    """Unknown names, impossible names and wrong passwords cannot be told apart."""
    hasher = FakeHasher()
    with pytest.raises(CredentialsInvalid, match="username or the password is wrong"):
        await authenticate(store, hasher, username, password)
    assert 1 == hasher.compared


async def test_a_disabled_user_is_refused_like_an_unknown_one(store: FakeStore, ada: User) -> None:
    """Even the right password tells nothing, and takes the same hash."""
    store.unit.users.replace(replace(ada, disabled=True))
    hasher = FakeHasher()
    with pytest.raises(CredentialsInvalid, match="username or the password is wrong"):
        await authenticate(store, hasher, "Ada", "right")
    assert 1 == hasher.compared


async def test_the_current_user_is_the_one_on_disk(store: FakeStore, ada: User) -> None:
    """The token's subject is looked up."""
    assert ada == await current_user(store, "u1")


async def test_a_token_outlives_no_user(store: FakeStore, ada: User) -> None:
    """A user who is disabled or gone has no access, though the token is still good."""
    store.unit.users.replace(replace(ada, disabled=True))
    for user_id in ("u1", "u2"):
        with pytest.raises(AccessRevoked) as refused:
            await current_user(store, user_id)
        assert "TOKEN_REVOKED" == refused.value.reason
