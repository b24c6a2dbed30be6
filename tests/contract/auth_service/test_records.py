"""What sessions, devices, keys, tickets, tallies and revocations promise, whatever is behind."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from auth_service.adapters.tables import PLUMBING
from auth_service.application.ports import RevocationsInForce, UnitOfWork
from auth_service.domain import api_keys, devices
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import Action, AuditEntry, Origin
from auth_service.domain.devices import Device
from auth_service.domain.errors import RefreshTokenInvalid
from auth_service.domain.events import TokensRevoked, UserRegistered
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.sessions import Session
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.tickets import Ticket
from servicekit.errors import Aborted, OutOfRange
from servicekit.eventlog import EventLog
from servicekit.values import replace
from tests.contract.auth_service.conftest import Store

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


def session(number: int, user_id: str = "u1") -> Session:
    """A session; a higher number is a later one."""
    begun = NOW + timedelta(seconds=number)
    return Session(f"s{number}", user_id, b"hash", b"\x00seal", begun, begun + HOUR)


async def test_a_session_lives_until_it_is_removed(store: Store) -> None:
    """It comes back as it was, changed when it was changed, and is gone when it ended."""
    await store.do(lambda unit: unit.sessions.add(session(1)))
    assert session(1) == await store.do(lambda unit: unit.sessions.get("s1"))
    changed = replace(session(1), secret_hash=b"\xff")
    await store.do(lambda unit: unit.sessions.replace(changed))
    assert changed == await store.do(lambda unit: unit.sessions.get("s1"))
    assert await store.do(lambda unit: unit.sessions.remove("s1"))
    assert not await store.do(lambda unit: unit.sessions.remove("s1"))
    assert await store.do(lambda unit: unit.sessions.get("s1")) is None


async def test_sessions_end_by_user(store: Store) -> None:
    """All of one user's, or the oldest beyond a number; others' are left alone."""

    def begin(unit: UnitOfWork) -> None:
        for number in (3, 1, 2, 4):
            unit.sessions.add(session(number))
        unit.sessions.add(session(5, "u2"))
        unit.sessions.keep_newest("u1", 2)
        unit.sessions.keep_newest("u2", 2)

    await store.do(begin)
    left = [await store.do(lambda unit, n=n: unit.sessions.get(f"s{n}")) for n in range(1, 6)]  # type: ignore[misc]
    assert [False, False, True, True, True] == [it is not None for it in left]
    assert 2 == await store.do(lambda unit: unit.sessions.remove_all("u1"))
    assert 0 == await store.do(lambda unit: unit.sessions.remove_all("u1"))
    assert await store.do(lambda unit: unit.sessions.get("s5"))


async def test_a_device_is_known_by_its_hash(store: Store) -> None:
    """Put twice it is one device, with its last use; those unused for longest go first."""
    old, new = Device(b"\x01" * 32, "u1", NOW), Device(b"\x02" * 32, "u1", NOW + HOUR)
    await store.do(lambda unit: unit.devices.put(old))
    await store.do(lambda unit: unit.devices.put(new))
    assert old == await store.credentials.device(old.hash)
    used = old.used(NOW + 2 * HOUR)
    await store.do(lambda unit: unit.devices.put(used))
    await store.do(lambda unit: unit.devices.keep_newest("u1", 1))
    assert used == await store.credentials.device(old.hash)
    assert await store.credentials.device(new.hash) is None
    await store.do(lambda unit: unit.devices.remove_all("u1"))
    assert await store.credentials.device(old.hash) is None


KEY = ApiKey("k1", "u1", "ci", "gpuaas_abc", b"\x07" * 32, Role.ADMIN, NOW, NOW + HOUR)


async def test_an_api_key_comes_back_as_it_was(store: Store) -> None:
    """By its id, by its user and by its secret's hash, with every field."""
    used = replace(KEY, last_used_at=NOW + HOUR, revoked_at=NOW + 2 * HOUR)
    await store.do(lambda unit: unit.api_keys.add(KEY))
    assert KEY == await store.credentials.api_key(KEY.secret_hash)
    await store.do(lambda unit: unit.api_keys.replace(used))
    assert used == await store.do(lambda unit: unit.api_keys.get("k1"))
    assert [used] == await store.do(lambda unit: unit.api_keys.of("u1"))
    assert await store.credentials.api_key(b"\x08" * 32) is None
    assert await store.do(lambda unit: unit.api_keys.get("k2")) is None


async def test_a_secret_belongs_to_one_key(store: Store) -> None:
    """The store has the last word."""
    await store.do(lambda unit: unit.api_keys.add(KEY))
    with pytest.raises(Aborted):
        await store.do(lambda unit: unit.api_keys.add(replace(KEY, id="k2")))


TICKET = Ticket(b"\x09" * 32, "u1", "s1", 3, Role.USER, NOW, NOW + HOUR)


async def test_a_ticket_is_taken_once(store: Store) -> None:
    """The second time there is none, in the same command and later."""
    await store.do(lambda unit: unit.tickets.add(TICKET))

    def twice(unit: UnitOfWork) -> list[Ticket | None]:
        return [unit.tickets.take(TICKET.hash) for _ in range(2)]

    assert [TICKET, None] == await store.do(twice)
    assert await store.do(lambda unit: unit.tickets.take(TICKET.hash)) is None


async def test_a_refused_command_takes_no_ticket(store: Store) -> None:
    """What raised after its deletes were sent has changed nothing."""
    await store.do(lambda unit: unit.tickets.add(TICKET))

    def take(unit: UnitOfWork) -> None:
        unit.tickets.take(TICKET.hash)
        raise RefreshTokenInvalid

    with pytest.raises(RefreshTokenInvalid):
        await store.do(take)
    assert TICKET == await store.do(lambda unit: unit.tickets.take(TICKET.hash))


async def test_tallies_are_kept_by_key(store: Store) -> None:
    """For the writer and for readers; a key without one is left out."""
    first, second = Tally(1, NOW, NOW + HOUR), Tally(2, NOW + HOUR, NOW + 2 * HOUR)
    await store.do(lambda unit: unit.tallies.put("a", first))
    await store.do(lambda unit: unit.tallies.put("b", first))
    await store.do(lambda unit: unit.tallies.put("b", second))
    expected = {"a": first, "b": second}
    assert expected == await store.do(lambda unit: unit.tallies.get(["a", "b", "c"]))
    assert expected == await store.credentials.tallies(["a", "b", "c"])


async def test_signing_keys_are_kept_and_removed(store: Store) -> None:
    """Both halves, sealed or not, for the writer and for readers."""
    old = SigningKey("k1", b"\x00" * 32, b"\x01" * 32, False, NOW, NOW)
    new = SigningKey("k2", b"\x02" * 32, b"\x03" * 60, True, NOW, NOW + HOUR)
    for each in (old, new):
        await store.do(lambda unit, each=each: unit.signing_keys.add(each))  # type: ignore[misc]
    sealed = replace(old, private_key=b"\x04" * 60, sealed=True)
    await store.do(lambda unit: unit.signing_keys.replace(sealed))
    assert {sealed, new} == set(await store.do(lambda unit: unit.signing_keys.all()))
    await store.do(lambda unit: unit.signing_keys.remove("k1"))
    assert [new] == await store.keys.signing_keys()


def revoked(session_id: str, generation: int, ends: datetime) -> TokensRevoked:
    """A revocation of u1's."""
    return TokensRevoked("u1", session_id, generation, ends, NOW)


async def test_a_key_is_revoked_for_everybody(store: Store) -> None:
    """As itself, and not as a session that nobody has."""
    news = [TokensRevoked("", "", 0, NOW + HOUR, NOW, key) for key in ("k1", "k2")]
    for each in news:
        await store.do(lambda unit, each=each: unit.revocations.add(each))  # type: ignore[misc]
    expected = RevocationsInForce(2, [(1, news[0]), (2, news[1])])
    assert expected == await store.keys.revocations(NOW)


async def test_revocations_are_in_force_until_they_expire(store: Store) -> None:
    """A later one of the same user or session takes the place of the one before; all are events."""
    news = [
        revoked("", 2, NOW + HOUR),
        revoked("s1", 0, NOW + HOUR),
        revoked("", 3, NOW + 2 * HOUR),
        revoked("s2", 0, NOW),
    ]
    assert RevocationsInForce(0, []) == await store.keys.revocations(NOW)
    for each in news:
        await store.do(lambda unit, each=each: unit.revocations.add(each))  # type: ignore[misc]
    expected = RevocationsInForce(4, [(2, news[1]), (3, news[2])])
    assert expected == await store.keys.revocations(NOW)
    assert RevocationsInForce(4, [(3, news[2])]) == await store.keys.revocations(NOW + HOUR)
    if store.log is not None:
        assert ["tokens.revoked"] * 4 == [event.kind for event in await store.log.read(0)]


async def test_what_is_over_is_forgotten(store: Store) -> None:
    """At its time and not before, a limited number at once, and nothing else with it."""

    def fill(unit: UnitOfWork) -> None:
        unit.sessions.add(session(0))
        unit.sessions.add(session(1))
        unit.tickets.add(TICKET)
        unit.tallies.put("a", Tally(0, NOW, NOW))
        unit.tallies.put("b", Tally(1, NOW, NOW))
        unit.revocations.add(revoked("", 2, NOW))
        unit.devices.put(Device(b"\x01" * 32, "u1", NOW + HOUR - devices.LIFETIME))
        unit.api_keys.add(replace(KEY, expires_at=NOW + HOUR - api_keys.KEPT_AFTER_ITS_END))

    await store.do(fill)
    assert 0 == await store.do(lambda unit: unit.expired.forget(NOW - HOUR, 10))
    assert 3 == await store.do(lambda unit: unit.expired.forget(NOW, 10))
    assert 0 == await store.do(lambda unit: unit.expired.forget(NOW, 10))
    later = NOW + 2 * HOUR
    assert 3 == await store.do(lambda unit: unit.expired.forget(later, 1))
    assert 1 == await store.do(lambda unit: unit.expired.forget(later, 1))
    assert 0 == await store.do(lambda unit: unit.expired.forget(later, 1))
    assert ["b"] == list(await store.credentials.tallies(["a", "b"]))


async def test_old_events_are_trimmed_from_the_front(store: Store) -> None:
    """Up to the first young one, so many at once; whoever stands before them is told so."""
    times = [NOW, NOW + HOUR, NOW, NOW + 2 * HOUR, NOW]

    def append(unit: UnitOfWork) -> None:
        for number, at in enumerate(times):
            unit.events.append(UserRegistered(f"u{number}", "x", Role.USER, at))

    await store.do(append)
    trim = [(NOW, 10), (NOW + 2 * HOUR, 2), (NOW + 2 * HOUR, 10), (NOW + 2 * HOUR, 10)]
    counts = []
    for before, most in trim:
        counts.append(await store.do(partial(_trim, before, most)))
    assert [0, 2, 1, 0] == counts
    assert 2 == await store.do(lambda unit: unit.expired.trim_events(NOW + 9 * HOUR, 10))
    if store.database is not None:
        reopened = EventLog(store.database, PLUMBING)
        await reopened.open()
        with pytest.raises(OutOfRange):
            await reopened.read(0)
        assert [] == await reopened.read(5)
        await reopened.close()


def _trim(before: datetime, most: int, unit: UnitOfWork) -> int:
    return unit.expired.trim_events(before, most)


async def test_a_refused_command_leaves_no_entry(store: Store) -> None:
    """The chain goes on where it was, without a gap."""
    entry = AuditEntry(NOW, Origin(), Action.LOGIN)

    def fail(unit: UnitOfWork) -> None:
        unit.audit.append(entry)
        raise RefreshTokenInvalid

    with pytest.raises(RefreshTokenInvalid):
        await store.do(fail)
    await store.do(lambda unit: unit.audit.append(entry))
    assert [1] == [event.link.sequence for event in await store.audit.chain(0, 10)]
