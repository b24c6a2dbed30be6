"""Accounts of GPU-hours: their first use, and grants."""

from datetime import datetime
from typing import ClassVar

from job_service.application.commands.acting import Policy
from job_service.application.ports import UnitOfWork
from job_service.domain.ledger import Account, Cause
from servicekit.values import Value


class GrantHours(Value, frozen=True):
    """Adds GPU time to a user's month."""

    name: ClassVar[str] = "quota.grant"
    grant_id: str
    owner_id: str
    period: str
    amount: int
    actor: str
    reason: str
    policy: Policy
    now: datetime

    def run(self, unit: UnitOfWork) -> Account:
        """The account with the grant."""
        account = account_of(unit, self.owner_id, self.period, self.policy, self.now)
        cause = Cause(self.grant_id, self.now, self.actor, self.reason)
        account, entries = account.grant(self.amount, cause)
        unit.accounts.save(account)
        unit.ledger.add(entries)
        return account


def account_of(
    unit: UnitOfWork, owner_id: str, period: str, policy: Policy, now: datetime
) -> Account:
    """The owner's account of a month; its first use opens it with the monthly allowance."""
    account = unit.accounts.find(owner_id, period)
    if account is not None:
        return account
    cause = Cause(f"{owner_id}:{period}", now, "system", "monthly quota")
    account, entries = Account(owner_id, period).allow(policy.monthly_allowance, cause)
    unit.accounts.save(account)
    unit.ledger.add(entries)
    return account
