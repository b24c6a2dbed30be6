from datetime import UTC, datetime

import pytest

from auth_service.application.queries import current_user, verify_audit
from auth_service.domain.audit import Action, AuditEntry, ChainBroken, Link, Origin
from auth_service.domain.errors import AccessRevoked
from auth_service.domain.users import User, register
from servicekit.values import replace
from tests.fakes.auth_service import FakeStore

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


@pytest.fixture
def audited() -> FakeStore:
    """A log of five entries."""
    store = FakeStore()
    for number in range(5):
        store.unit.audit.append(AuditEntry(NOW, Origin(), Action.LOGIN, f"u{number}"))
    return store


async def test_a_whole_log_ends_where_it_was_last_written(audited: FakeStore) -> None:
    """Also an empty one; what was noted of it earlier is found again."""
    assert Link() == await verify_audit(FakeStore())
    end = await verify_audit(audited)
    assert audited.unit.audit.end == end
    noted = audited.unit.audit.appended[2].link
    assert end == await verify_audit(audited, noted)


async def test_a_changed_log_is_broken_where_it_was_changed(audited: FakeStore) -> None:
    """The first entry that does not fit is named, whatever came after it."""
    events = audited.unit.audit.appended
    events[2] = replace(events[2], entry=replace(events[2].entry, target="somebody else"))
    with pytest.raises(ChainBroken, match="entry 3: its content") as broken:
        await verify_audit(audited)
    assert 3 == broken.value.sequence


async def test_a_log_without_an_entry_is_broken_there(audited: FakeStore) -> None:
    """In the middle it is missed by its neighbours."""
    del audited.unit.audit.appended[1]
    with pytest.raises(ChainBroken, match="entry 2: is missing"):
        await verify_audit(audited)


async def test_a_log_that_was_written_anew_does_not_have_the_noted_hash(
    audited: FakeStore,
) -> None:
    """Whoever can write all hashes anew cannot change what was noted elsewhere."""
    noted = audited.unit.audit.end
    forged = FakeStore()
    for event in audited.unit.audit.appended:
        forged.unit.audit.append(replace(event.entry, target="forged"))
    await verify_audit(forged)
    with pytest.raises(ChainBroken, match="entry 5: does not have the hash that was noted"):
        await verify_audit(forged, noted)


async def test_a_log_that_was_cut_off_is_broken_at_its_end(audited: FakeStore) -> None:
    """By what was noted elsewhere, where the end itself was written anew."""
    noted = audited.unit.audit.end
    del audited.unit.audit.appended[3:]
    await verify_audit(audited)
    with pytest.raises(ChainBroken, match="entry 4: is missing"):
        await verify_audit(audited, noted)
