"""Counting attempts at passwords: before the password is looked at, and taken back afterwards."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from auth_service.application.ports import UnitOfWork
from auth_service.domain.audit import AuditEntry
from auth_service.domain.guessing import Charge, HeldBack, fresh, held_back
from servicekit.values import Value


class ChargeAttempt(Value, frozen=True):
    """Counts an attempt as a failure, before it is known to be one."""

    name: ClassVar[str] = "attempt.charge"
    charges: tuple[Charge, ...]
    now: datetime

    def run(self, unit: UnitOfWork) -> HeldBack | None:
        """Returns what it comes too early for, and counts nothing then; None if it may come."""
        tallies = unit.tallies.get([charge.key for charge in self.charges])
        held = held_back(self.charges, tallies, self.now)
        if held is None:
            for charge in self.charges:
                tally = tallies.get(charge.key, fresh(self.now))
                unit.tallies.put(charge.key, tally.charged(charge.rule, self.now))
        return held


class NoteThrottling(Value, frozen=True):
    """Enters into the audit log that attempts are held back, unless it told so not long ago."""

    name: ClassVar[str] = "audit.note_throttling"
    charge: Charge
    entry: AuditEntry

    def run(self, unit: UnitOfWork) -> None:
        """Enters it."""
        if ChargeAttempt((self.charge.note,), self.entry.at).run(unit) is None:
            unit.audit.append(self.entry)


class RefundAttempt(Value, frozen=True):
    """Takes back what was counted of an attempt that nobody looked at."""

    name: ClassVar[str] = "attempt.refund"
    charges: tuple[Charge, ...]

    def run(self, unit: UnitOfWork) -> None:
        """Takes it back."""
        refund(unit, self.charges, succeeded=False)


class RecordRefusal(Value, frozen=True):
    """Enters into the audit log what was refused and therefore changed nothing."""

    name: ClassVar[str] = "audit.record_refusal"
    entry: AuditEntry

    def run(self, unit: UnitOfWork) -> None:
        """Enters it."""
        unit.audit.append(self.entry)


def refund(unit: UnitOfWork, charges: Sequence[Charge], *, succeeded: bool) -> None:
    """Takes back what was counted of an attempt that did not fail."""
    tallies = unit.tallies.get([charge.key for charge in charges])
    for charge in charges:
        if charge.key in tallies:
            tally = tallies[charge.key].refunded(charge.rule, succeeded=succeeded)
            unit.tallies.put(charge.key, tally)
