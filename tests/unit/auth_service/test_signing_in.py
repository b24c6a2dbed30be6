import asyncio
import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth_service.application.attempts import Attempts
from auth_service.application.ports import Command, NobodyLooked
from auth_service.application.signing_in import (
    Attempt,
    PasswordCheck,
    ServicePassword,
    SignedIn,
    SignIn,
)
from auth_service.application.turns import AT_ONCE, Turns
from auth_service.domain.audit import Action, Origin, Outcome
from auth_service.domain.errors import CredentialsInvalid, LoginThrottled
from auth_service.domain.guessing import FREE_FAILURES, Limits
from auth_service.domain.roles import Role
from auth_service.domain.users import User, register
from servicekit.clock import ManualClock
from servicekit.errors import ResourceExhausted
from servicekit.values import replace
from tests.fakes.auth_service import FakeHasher, FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = Origin(request_id="r1", address="10.0.0.1")


class Gate:
    """A way to sign in, and everything behind it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.store = Journal()
        self.hasher = FakeHasher()
        self.clock = ManualClock(NOW)
        numbers = itertools.count(1)
        attempts = Attempts(self.store, self.store, self.clock)
        self.sign_in = SignIn(
            attempts=attempts,
            check=PasswordCheck(attempts, self.hasher),
            changes=self.store,
            directory=self.store,
            credentials=self.store,
            hasher=self.hasher,
            services=ServicePassword(frozenset({"job-service"}), "the services' password"),
            limits=limits or Limits(),
            session_lifetime=timedelta(days=30),
            failure_time=timedelta(),
            random=lambda size: next(numbers).to_bytes(size, "big"),
            clock=self.clock,
            new_id=lambda: f"00000000-0000-0000-0000-{next(numbers):012}",
        )

    def add(self, username: str = "Ada", **fields: Any) -> User:
        """Adds a user whose password is 'right'."""
        user = register(f"id of {username}", username, "", "hash of right", NOW)[0]
        user = replace(user, **fields)
        self.store.unit.users.add(user)
        return user

    async def __call__(
        self,
        username: str = "Ada",
        password: str = "right",
        device: str = "",
        address: str = "10.0.0.1",
    ) -> SignedIn:
        """Tries to sign in."""
        return await self.sign_in(
            Attempt(username, password, device, replace(ORIGIN, address=address))
        )

    async def guess(self, count: int, username: str = "Ada") -> list[str]:
        """Guesses so often, each from another address, and returns why each was refused."""
        reasons = []
        for number in range(count):
            with pytest.raises((CredentialsInvalid, LoginThrottled)) as refused:
                await self(username, "wrong", address=f"10.{number // 250}.0.{number % 250 + 1}")
            reasons.append(refused.value.reason)
        return reasons


class Journal(FakeStore):
    """A store that remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.refused = asyncio.Event()

    async def execute(self, command: Command[Any]) -> Any:
        self.asked.append(command.name)
        answer = await super().execute(command)
        if command.name == "audit.record_refusal":
            self.refused.set()
        return answer

    async def named(self, username_key: str) -> User | None:
        self.asked.append("named")
        return await super().named(username_key)


@pytest.fixture
def gate() -> Gate:
    """A gate that Ada may pass."""
    gate = Gate()
    gate.add()
    return gate


async def test_name_and_password_begin_a_session(gate: Gate) -> None:
    """The name may be written in other letters; nothing stays counted against anybody."""
    signed_in = await gate("aDA")
    assert "Ada" == signed_in.begun.user.username
    assert {0} == {tally.failures for tally in gate.store.unit.tallies.by_key.values()}


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("Ada", "wrong"),
        ("nobody", "right"),
        ("no name\x00", "right"),
        ("x" * 10_000, "right"),
        ("disabled", "right"),
    ],
)
async def test_whatever_is_wrong_takes_the_same_steps(
    gate: Gate, username: str, password: str
) -> None:
    """One look for the name, one hash, two changes: unknown and disabled users cannot be told."""
    gate.add("disabled", disabled=True)
    with pytest.raises(CredentialsInvalid, match="username or the password is wrong"):
        await gate(username, password)
    assert 1 == gate.hasher.compared
    assert ["named", "attempt.charge", "audit.record_refusal"] == gate.store.asked


async def test_a_failure_is_audited_without_what_was_typed(gate: Gate) -> None:
    """The user if there is one, and the address; never the name of nobody: it may be a password."""
    for username in ("Ada", "my secret password"):
        with pytest.raises(CredentialsInvalid):
            await gate(username, "wrong")
    entries = [event.entry for event in gate.store.unit.audit.appended]
    assert ["id of Ada", ""] == [entry.target for entry in entries]
    assert {(Action.LOGIN, Outcome.REFUSED, ORIGIN)} == {
        (entry.action, entry.outcome, entry.origin) for entry in entries
    }
    assert "my secret password" not in repr(gate.store.unit)


async def test_a_failure_takes_its_time(gate: Gate) -> None:
    """However fast it was known to be one; success is answered when it is there."""
    slow = dataclasses.replace(gate.sign_in, failure_time=timedelta(hours=1))
    await slow(Attempt("Ada", "right", "", ORIGIN))
    failing = asyncio.ensure_future(slow(Attempt("Ada", "wrong", "", ORIGIN)))
    await gate.store.refused.wait()
    assert not failing.done()
    failing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await failing


@pytest.mark.parametrize("username", ["Ada", "nobody", "no name\x00"])
async def test_guessing_is_slowed_down_for_every_name(gate: Gate, username: str) -> None:
    """From the fifth failure on, wherever it comes from, known user or not; the wait is told."""
    reasons = await gate.guess(2 * FREE_FAILURES, username)
    assert ["CREDENTIALS_INVALID"] * 5 + ["LOGIN_THROTTLED"] * 5 == reasons
    assert FREE_FAILURES == gate.hasher.compared
    with pytest.raises(LoginThrottled) as refused:
        await gate(username, "right")
    assert timedelta(seconds=5) == refused.value.retry_after


async def test_ten_thousand_guesses_reach_the_hasher_twenty_times_an_hour(gate: Gate) -> None:
    """From as many addresses as they like, one guess each third of a second."""
    for number in range(10_000):
        gate.clock.advance(timedelta(hours=1) / 10_000)
        with pytest.raises((CredentialsInvalid, LoginThrottled)):
            await gate("Ada", "wrong", address=f"10.{number // 250}.0.{number % 250 + 1}")
    assert FREE_FAILURES < gate.hasher.compared <= 20


async def test_an_owner_gets_in_after_the_delay(gate: Gate) -> None:
    """And is then as free as before."""
    await gate.guess(FREE_FAILURES)
    gate.clock.advance(timedelta(seconds=5))
    await gate()
    assert ["CREDENTIALS_INVALID"] * 4 == await gate.guess(4)


async def test_an_owner_gets_in_at_once_on_a_known_device(gate: Gate) -> None:
    """While others guess; the device stays the same one, and has failures of its own."""
    device = (await gate()).device_token
    await gate.guess(20)
    again = await gate(device=device)
    assert device == again.device_token
    reasons = []
    for _ in range(FREE_FAILURES + 1):
        with pytest.raises((CredentialsInvalid, LoginThrottled)) as refused:
            await gate(password="wrong", device=device)
        reasons.append(refused.value.reason)
    assert ["CREDENTIALS_INVALID"] * 5 + ["LOGIN_THROTTLED"] == reasons


async def test_a_device_is_known_for_its_user_only(gate: Gate) -> None:
    """Somebody else's token, or one that was made up, spares nobody a delay."""
    gate.add("Eve")
    device = (await gate("Eve")).device_token
    await gate.guess(FREE_FAILURES)
    for token in (device, "gpud_made-up", "x" * 1000):
        with pytest.raises(LoginThrottled):
            await gate(device=token)


async def test_an_address_is_slowed_down_whatever_the_names() -> None:
    """Spraying one password over many accounts ends at the address, and altogether."""
    for limits in (Limits(per_address=10), Limits(overall=10)):
        gate = Gate(limits)
        reasons = []
        for number in range(10):
            with pytest.raises((CredentialsInvalid, LoginThrottled)) as refused:
                await gate(f"user{number}", "Summer2026!")
            reasons.append(refused.value.reason)
        assert ["CREDENTIALS_INVALID"] * 5 + ["LOGIN_THROTTLED"] * 5 == reasons


async def test_nobody_locks_services_out() -> None:
    """Guesses at a service's name are slowed down; the services' own password is not."""
    gate = Gate()
    services = register("s1", "job-service", "", "hash of the services' password", NOW)[0]
    gate.store.unit.users.add(replace(services, role=Role.SERVICE))
    assert "LOGIN_THROTTLED" == (await gate.guess(6, "job-service"))[-1]
    await gate("job-service", "the services' password")


async def test_many_right_ones_at_once_are_no_guessing(gate: Gate) -> None:
    """Twenty logins of one user at a time all succeed."""
    sessions = await asyncio.gather(*(gate() for _ in range(20)))
    assert 20 == len({signed_in.begun.session_id for signed_in in sessions})


@pytest.mark.parametrize("ending", [ResourceExhausted("too many"), NobodyLooked()])
async def test_an_attempt_that_nobody_looked_at_is_not_counted(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, ending: BaseException
) -> None:
    """Overload is not the user's fault, nor is impatience."""

    async def unlooked(password: str, password_hash: str | None) -> bool:
        raise ending

    monkeypatch.setattr(gate.hasher, "matches", unlooked)
    for _ in range(20):
        with pytest.raises(type(ending)):
            await gate()
    assert {0} == {tally.failures for tally in gate.store.unit.tallies.by_key.values()}


async def test_an_old_hash_is_replaced_while_the_password_is_there(gate: Gate) -> None:
    """By one of our own, at the first login; a wrong password replaces nothing."""
    gate.add("import", password_hash="old hash of right")
    with pytest.raises(CredentialsInvalid):
        await gate("import", "wrong")
    assert "old hash of right" == gate.store.unit.users.by_id["id of import"].password_hash
    await gate("import")
    assert "hash of right" == gate.store.unit.users.by_id["id of import"].password_hash


async def test_turns_are_limited_by_key_and_leave_nothing_behind() -> None:
    """So many at once for one key; another key does not wait."""
    turns, leave, others = Turns(), asyncio.Event(), asyncio.Event()
    entered: list[str] = []

    async def hold(key: str) -> None:
        async with turns.of(key):
            entered.append(key)
            if key == "b":
                others.set()
            await leave.wait()

    tasks = [asyncio.create_task(hold(key)) for key in ("a",) * (AT_ONCE + 3) + ("b",)]
    await others.wait()
    assert AT_ONCE == entered.count("a")
    leave.set()
    await asyncio.gather(*tasks)
    assert AT_ONCE + 4 == len(entered)
    assert ({}, {}) == (turns._gates, turns._users)
