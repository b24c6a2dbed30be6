"""How guessing passwords is slowed down: what is counted, and how long the next attempt waits.

An attempt is counted before the password is looked at, as if it had failed; success takes that
back. So it does not help to try many at once. Registering is counted in the same way, and not taken
back: whoever tries one name after the other learns which are taken.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from servicekit.values import Value, replace

FREE_FAILURES = 5
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=24)
_HOUR = timedelta(hours=1)
_NETWORK_BITS = 64


class Rule(Value, frozen=True):
    """What is allowed to one key.

    Attributes:
        per_hour: attempts that fail, at the most in any hour; half of them may come at once.
        delays: whether, besides, each failure from FREE_FAILURES on doubles the wait.
    """

    per_hour: int
    delays: bool = False

    @property
    def at_once(self) -> int:
        """Attempts that may come at once."""
        return max(1, self.per_hour // 2)

    @property
    def interval(self) -> timedelta:
        """Time after which one more attempt is allowed."""
        return _HOUR / max(1, self.per_hour - self.at_once)


class Tally(Value, frozen=True):
    """What was counted against one key.

    Attributes:
        failures: in a row, without a success in between.
        last_at: time of the last one.
        spent_until: when the budget will be whole again (the "theoretical arrival time" of the
            generic cell rate algorithm, ITU-T I.371, which needs no other memory).
    """

    failures: int
    last_at: datetime
    spent_until: datetime

    def wait(self, rule: Rule, now: datetime) -> timedelta:
        """Returns how long the next attempt has to wait; zero or less: it may come now."""
        free_from = self.spent_until - (rule.at_once - 1) * rule.interval
        if rule.delays:
            free_from = max(free_from, self.last_at + delay(self._failures(now)))
        return free_from - now

    def charged(self, rule: Rule, now: datetime) -> "Tally":
        """The tally with one more attempt, taken for a failure until it is known better."""
        spent_until = max(self.spent_until, now) + rule.interval
        return Tally(self._failures(now) + 1, now, spent_until)

    def refunded(self, rule: Rule, *, succeeded: bool) -> "Tally":
        """The tally without an attempt that did not fail; success ends the row of failures."""
        failures = 0 if succeeded else max(0, self.failures - 1)
        return replace(self, failures=failures, spent_until=self.spent_until - rule.interval)

    @property
    def forgotten_at(self) -> datetime:
        """When nothing is left to remember."""
        return max(self.spent_until, self.last_at + FORGOTTEN_AFTER * min(1, self.failures))

    def _failures(self, now: datetime) -> int:
        return self.failures if now - self.last_at < FORGOTTEN_AFTER else 0


def fresh(now: datetime) -> Tally:
    """Returns the tally of a key that nothing is counted against."""
    return Tally(0, now, now)


def delay(failures: int) -> timedelta:
    """Returns the wait after so many failures in a row."""
    if failures < FREE_FAILURES:
        return timedelta()
    doublings = 1 << min(failures - FREE_FAILURES, 16)
    return min(FIRST_DELAY * doublings, LONGEST_DELAY)


class Charge(Value, frozen=True):
    """One key that an attempt is counted against, and the rule for it."""

    key: str
    rule: Rule

    @property
    def note(self) -> "Charge":
        """What is counted when the audit log tells that this one holds attempts back."""
        return Charge(f"noted:{self.key}", NOTED)


NOTED = Rule(per_hour=2)
"""One entry at once and the next one after an hour: hammering fills no log."""


class HeldBack(Value, frozen=True):
    """What an attempt comes too early for, and how long it has to wait."""

    charge: Charge
    wait: timedelta


def held_back(
    charges: Iterable[Charge], tallies: Mapping[str, Tally], now: datetime
) -> HeldBack | None:
    """Returns what has to be waited for longest; None: the attempt may come now."""
    waits = (HeldBack(it, tallies.get(it.key, fresh(now)).wait(it.rule, now)) for it in charges)
    longest = max(waits, key=lambda it: it.wait)
    return longest if longest.wait > timedelta() else None


class Limits(Value, frozen=True):
    """How many attempts may fail in an hour: for one account, from one address, altogether.

    And how many users may be registered, or tried to be, from one address and altogether.
    """

    per_account: int = 20
    per_address: int = 200
    overall: int = 5000
    registrations_per_address: int = 500
    registrations_overall: int = 5000

    def stranger(self, account: str, address: str) -> tuple[Charge, ...]:
        """What an attempt from an unknown device is counted against."""
        mine = Charge(f"account:{_digest(account)}", Rule(self.per_account, delays=True))
        return (mine, *self.anywhere(address))

    def device(self, device_hash: bytes) -> tuple[Charge, ...]:
        """What an attempt from a device that is known is counted against: only itself."""
        return (Charge(f"device:{device_hash.hex()}", Rule(self.per_account, delays=True)),)

    def owner(self, user_id: str) -> tuple[Charge, ...]:
        """What is counted when somebody who is signed in gives the current password."""
        return (Charge(f"password:{user_id}", Rule(self.per_account, delays=True)),)

    def anywhere(self, address: str) -> tuple[Charge, ...]:
        """What attempts are counted against whatever account they are for."""
        overall = Charge("overall", Rule(self.overall))
        return (*_from("address", address, self.per_address), overall)

    def registration(self, address: str) -> tuple[Charge, ...]:
        """What is counted when somebody registers, whatever comes of it."""
        overall = Charge("registrations", Rule(self.registrations_overall))
        return (*_from("registrations", address, self.registrations_per_address), overall)


def _digest(account: str) -> str:
    """Hides what was typed as a name: it may be a password, typed into the wrong field."""
    return hashlib.blake2b(account.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _from(what: str, address: str, per_hour: int) -> tuple[Charge, ...]:
    """Returns what is counted against an address; nothing where there is none."""
    return (Charge(f"{what}:{_network(address)}", Rule(per_hour)),) if address else ()


def _network(address: str) -> str:
    """Returns the address, or its first half for IPv6, where one customer has all of the rest."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        parsed = IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS)
    return str(parsed)
