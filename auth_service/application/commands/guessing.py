"""Counting attempts at passwords: before the password is looked at, and taken back afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.ports import UnitOfWork
from auth_service.domain.audit import AuditEntry
from auth_service.domain.errors import LoginThrottled
from auth_service.domain.guessing import Charge, fresh
from servicekit.values import Value


class ChargeAttempt(Value, frozen=True):
    """Counts an attempt as a failure, before it is known to be one."""

    name: ClassVar[str] = "attempt.charge"
    charges: tuple[Charge, ...]
    now: datetime

    def run(self, unit: UnitOfWork) -> None:
        """Raises LoginThrottled, and counts nothing, when the attempt comes too early."""
        tallies = unit.tallies.get([charge.key for charge in self.charges])
        known = [(charge, tallies.get(charge.key, fresh(self.now))) for charge in self.charges]
        wait = max((tally.wait(charge.rule, self.now) for charge, tally in known))
        if wait > timedelta():
            raise LoginThrottled(wait)
        for charge, tally in known:
            unit.tallies.put(charge.key, tally.charged(charge.rule, self.now))


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
