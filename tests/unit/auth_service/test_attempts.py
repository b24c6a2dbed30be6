from datetime import UTC, datetime, timedelta

import pytest

from auth_service.application.attempts import Attempts, Tried
from auth_service.domain.audit import Action, Origin, Outcome
from auth_service.domain.errors import LoginThrottled, RegistrationThrottled
from auth_service.domain.guessing import Charge, Limits
from servicekit.clock import ManualClock
from tests.fakes.auth_service import FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = Origin(request_id="r1", address="10.0.0.1")
LIMITS = Limits(per_account=4, registrations_per_address=4, registrations_overall=8)
LOGIN = Tried(Action.LOGIN, ORIGIN, "id of Ada")
REGISTER = Tried(Action.REGISTER, ORIGIN)


class Desk:
    """Where attempts are counted, and how many commands that took."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.clock = ManualClock(NOW)
        self.attempts = Attempts(self.store, self.store, self.clock)

    async def turned_away(self, charges: tuple[Charge, ...], tried: Tried, count: int) -> int:
        """How many of so many attempts come too early."""
        refused = 0
        for _ in range(count):
            try:
                await self.attempts.charge(charges, tried)
            except (LoginThrottled, RegistrationThrottled):
                refused += 1
        return refused

    @property
    def told(self) -> list[tuple[datetime, str, str]]:
        """Time, reason and target of what the audit log says."""
        entries = [event.entry for event in self.store.unit.audit.appended]
        assert {Outcome.REFUSED} >= {entry.outcome for entry in entries}
        return [(entry.at, entry.reason, entry.target) for entry in entries]


@pytest.fixture
def desk() -> Desk:
    """A desk where nothing was counted yet."""
    return Desk()


async def test_hammering_is_told_once_an_hour(desk: Desk) -> None:
    """For each account, so that an attacker can be seen and cannot fill the log."""
    ada, bob = LIMITS.stranger("ada", "10.0.0.1"), LIMITS.stranger("bob", "10.0.0.1")
    assert 98 == await desk.turned_away(ada, LOGIN, 100)
    assert 98 == await desk.turned_away(bob, Tried(Action.LOGIN, ORIGIN), 100)
    assert [(NOW, "LOGIN_THROTTLED", "id of Ada"), (NOW, "LOGIN_THROTTLED", "")] == desk.told

    desk.clock.advance(timedelta(minutes=59))
    await desk.turned_away(ada, LOGIN, 100)
    assert 2 == len(desk.told)
    desk.clock.advance(timedelta(minutes=1))
    await desk.turned_away(ada, LOGIN, 100)
    assert [(desk.clock.now(), "LOGIN_THROTTLED", "id of Ada")] == desk.told[2:]


async def test_what_was_told_already_writes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turning away costs a reading, so that it cannot be used to keep the writer busy."""
    charges = LIMITS.stranger("ada", "10.0.0.1")
    await desk.turned_away(charges, LOGIN, 10)
    monkeypatch.setattr(desk.store, "execute", None)
    assert 10 == await desk.turned_away(charges, LOGIN, 10)


async def test_the_writer_has_the_last_word(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that were read as allowed at the same moment are not all allowed."""

    async def nothing_yet(keys: object) -> dict[str, object]:
        return {}

    monkeypatch.setattr(desk.store, "tallies", nothing_yet)
    assert 98 == await desk.turned_away(LIMITS.stranger("ada", "10.0.0.1"), LOGIN, 100)
    assert 1 == len(desk.told)


async def test_registrations_have_budgets_of_their_own(desk: Desk) -> None:
    """By address and altogether; guesses at passwords are not counted against them."""
    await desk.turned_away(LIMITS.stranger("ada", "10.0.0.1"), LOGIN, 10)
    first = LIMITS.registration("10.0.0.1")
    assert 3 == await desk.turned_away(first, REGISTER, 5)
    with pytest.raises(RegistrationThrottled) as refused:
        await desk.attempts.charge(first, REGISTER)
    assert timedelta(minutes=30) == refused.value.retry_after
    assert 3 == await desk.turned_away(LIMITS.registration("10.0.0.2"), REGISTER, 5)
    assert 5 == await desk.turned_away(LIMITS.registration("10.0.0.3"), REGISTER, 5)
    assert 3 == [reason for _, reason, _ in desk.told].count("REGISTRATION_THROTTLED")


async def test_without_an_address_all_count_together(desk: Desk) -> None:
    """As over a socket that has none."""
    assert 6 == await desk.turned_away(LIMITS.registration(""), REGISTER, 10)
