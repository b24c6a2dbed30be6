"""What admins change about quotas: this month's grants, and the limit of every month."""

from datetime import datetime
from typing import ClassVar

from job_service.application.commands.acting import Policy
from job_service.application.commands.books import account_of, save
from job_service.application.ports import UnitOfWork
from job_service.domain.ledger import STANDING, Account, Cause
from servicekit.errors import invalid
from servicekit.values import Value, replace


class Quota(Value, frozen=True):
    """An account, and whether the default holds because no limit was set for its subject."""

    account: Account
    is_default: bool


class GrantHours(Value, frozen=True):
    """Adds GPU time to a month of a user or of a limited team."""

    name: ClassVar[str] = "quota.grant"
    grant_id: str
    subject: str
    period: str
    amount: int
    actor: str
    reason: str
    policy: Policy
    now: datetime

    def run(self, unit: UnitOfWork) -> Quota:
        """The quota with the grant.

        Raises:
            InvalidArgument: the team has no limit that hours could be added to.
        """
        is_default = unit.accounts.find(self.subject, STANDING) is None
        if is_default and self.subject.startswith("team:"):
            raise invalid("team", "a team that has a limit; without one there is none to raise")
        account = account_of(unit, self.subject, self.period, self.policy, self.now)
        cause = Cause(self.grant_id, self.now, self.actor, self.reason)
        account, entries = account.grant(self.amount, cause)
        save(unit, account, entries)
        return Quota(account, is_default)


class SetQuota(Value, frozen=True):
    """Sets the limit of every month, this one included; setting it again changes nothing."""

    name: ClassVar[str] = "quota.set"
    change_id: str
    subject: str
    period: str
    limit: int
    actor: str
    reason: str
    now: datetime

    def run(self, unit: UnitOfWork) -> Quota:
        """The quota with the limit.

        Raises:
            QuotaInUse: less would be left this month than is reserved and used.
        """
        standing = unit.accounts.find(self.subject, STANDING) or Account(self.subject, STANDING)
        unit.accounts.save(replace(standing, limit=self.limit))
        cause = Cause(self.change_id, self.now, self.actor, self.reason)
        account = unit.accounts.find(self.subject, self.period)
        if account is None:
            account, entries = Account(self.subject, self.period).allow(self.limit, cause)
        else:
            account, entries = account.set_limit(self.limit, cause)
        save(unit, account, entries)
        return Quota(account, is_default=False)
