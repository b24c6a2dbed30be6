"""Counting attempts before they are made, and turning away those that come too early."""

from datetime import datetime, timedelta

from auth_service.application.commands.guessing import (
    ChargeAttempt,
    NoteThrottling,
    RecordRefusal,
    RefundAttempt,
)
from auth_service.application.ports import Changes, Credentials
from auth_service.domain.audit import Action, AuditEntry, Origin, Outcome
from auth_service.domain.errors import LoginThrottled, RegistrationThrottled
from auth_service.domain.guessing import Charge, HeldBack, held_back
from servicekit.clock import Clock
from servicekit.values import Value


class Tried(Value, frozen=True):
    """What somebody tries, as the audit log tells it; `target` is empty for what nobody has."""

    action: Action
    origin: Origin
    target: str = ""

    def refused(self, reason: str, now: datetime) -> AuditEntry:
        """The entry that says that it came to nothing."""
        return AuditEntry(now, self.origin, self.action, self.target, Outcome.REFUSED, reason)

    def throttled(self, wait: timedelta) -> LoginThrottled | RegistrationThrottled:
        """What is answered when it comes too early."""
        if self.action is Action.REGISTER:
            return RegistrationThrottled(wait)
        return LoginThrottled(wait)


class Attempts:
    """Counts attempts in the database, so that all processes know of them."""

    def __init__(self, changes: Changes, credentials: Credentials, clock: Clock) -> None:
        self._changes = changes
        self._credentials = credentials
        self._clock = clock

    async def charge(self, charges: tuple[Charge, ...], tried: Tried) -> None:
        """Counts an attempt; without charges there is nothing to count.

        Raises:
            LoginThrottled, RegistrationThrottled: it comes too early and was not counted. The
                audit log gets one entry an hour for each account, device or address of which
                attempts are held back.
        """
        if not charges:
            return
        now = self._clock.now()
        # Who hammers is turned away by reading; the writer has the last word.
        keys = [key for charge in charges for key in (charge.key, charge.note.key)]
        tallies = await self._credentials.tallies(keys)
        held = held_back(charges, tallies, now)
        if held is None:
            held = await self._changes.execute(ChargeAttempt(charges, now))
        if held is not None:
            refusal = tried.throttled(held.wait)
            if held_back([held.charge.note], tallies, now) is None:
                await self._note(held, tried.refused(refusal.reason, now))
            raise refusal

    async def refund(self, charges: tuple[Charge, ...]) -> None:
        """Takes back what was counted of an attempt that nobody looked at."""
        await self._changes.execute(RefundAttempt(charges))

    async def record(self, tried: Tried, reason: str) -> None:
        """Enters into the audit log that an attempt was looked at and came to nothing."""
        await self._changes.execute(RecordRefusal(tried.refused(reason, self._clock.now())))

    async def _note(self, held: HeldBack, entry: AuditEntry) -> None:
        await self._changes.execute(NoteThrottling(held.charge, entry))
