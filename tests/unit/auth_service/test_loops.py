from datetime import UTC, datetime, timedelta

from auth_service.adapters.signer import new_signing_key
from auth_service.application.commands.upkeep import AT_ONCE, EVENTS_KEPT
from auth_service.domain.events import UserRegistered
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import KEPT
from auth_service.entrypoints.loops import Upkeep
from servicekit.clock import ManualClock
from servicekit.values import replace
from tests.fakes.auth_service import FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_upkeep_forgets_everything_that_is_over() -> None:
    """In as many portions as it takes, and nothing that still counts."""
    store, clock = FakeStore(), ManualClock(NOW)
    for number in range(2 * AT_ONCE + 1):
        store.unit.tallies.put(f"old {number}", Tally(0, NOW, NOW))
    store.unit.tallies.put("young", Tally(1, NOW, NOW))
    for age in (2 * EVENTS_KEPT, EVENTS_KEPT, timedelta()):
        store.unit.events.append(UserRegistered("u1", "Ada", Role.USER, NOW - age))
    long_ago = NOW - 3 * KEPT
    keys = [
        replace(new_signing_key(NOW, long_ago + age), id=str(age))
        for age in (0 * KEPT, KEPT, 3 * KEPT)
    ]
    for key in keys:
        store.unit.signing_keys.add(key)
    await Upkeep(store, clock).once()
    assert ["young"] == list(store.unit.tallies.by_key)
    assert 1 == store.unit.events.trimmed
    assert [key.id for key in keys[1:]] == list(store.unit.signing_keys.by_id)
