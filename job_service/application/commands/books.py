"""Which accounts a job is charged to, and what its changes do to them.

Every job is charged to its owner's account of the month it was submitted in, and to its team's
where that was limited at the time.
"""

from collections.abc import Iterable
from datetime import datetime

from job_service.application.commands.acting import Policy
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Job, Owner
from job_service.domain.ledger import STANDING, Account, Cause, Entry, of_team, of_user
from servicekit.values import replace


def charged_keys(owner: Owner, period: str) -> list[tuple[str, str]]:
    """What ``accounts_charged`` reads, so that a group reads it at once."""
    keys = [(of_user(owner.id), period)]
    if owner.team:
        team = of_team(owner.team)
        keys += [(team, period), (team, STANDING)]
    return keys


def booked_keys(job: Job) -> list[tuple[str, str]]:
    """The accounts that a job was charged to when it was submitted."""
    keys = [(of_user(job.owner.id), job.period)]
    if job.team_charged:
        keys.append((of_team(job.owner.team), job.period))
    return keys


def accounts_charged(
    unit: UnitOfWork, owner: Owner, period: str, policy: Policy, now: datetime
) -> list[Account]:
    """The account of a new job's owner, and that of the team if it is limited."""
    account = account_of(unit, of_user(owner.id), period, policy, now)
    if account.name != owner.name or account.team != owner.team:
        account = replace(account, name=owner.name, team=owner.team)
    team = team_account(unit, owner.team, period, policy, now) if owner.team else None
    return [account, team] if team else [account]


def book(unit: UnitOfWork, accounts: Iterable[Account], before: Job | None, after: Job) -> None:
    """Charges a change of a job to its accounts, to all of them or to none.

    Raises:
        QuotaExceeded: the job holds more than is available in one of them.
    """
    booked = [account.follow(before, after) for account in accounts]
    for account, entries in booked:
        save(unit, account, entries)


def rebook(unit: UnitOfWork, before: Job, after: Job) -> None:
    """Charges a change of a stored job to the accounts that it was charged to before.

    Raises:
        QuotaExceeded: the job holds more than is available in one of them.
    """
    book(unit, [_opened(unit, key, before) for key in booked_keys(before)], before, after)


def account_of(
    unit: UnitOfWork, subject: str, period: str, policy: Policy, now: datetime
) -> Account:
    """The account of a month; its first use opens it with the limit of its subject."""
    account = unit.accounts.find(subject, period)
    if account is not None:
        return account
    standing = unit.accounts.find(subject, STANDING)
    limit = standing.limit if standing else policy.monthly_allowance
    cause = Cause(f"{subject}:{period}", now, "system", "monthly quota")
    account, entries = Account(subject, period).allow(limit, cause)
    save(unit, account, entries)
    return account


def team_account(
    unit: UnitOfWork, team: str, period: str, policy: Policy, now: datetime
) -> Account | None:
    """The team's account of a month, or None if the team has no limit."""
    subject = of_team(team)
    account = unit.accounts.find(subject, period)
    if account is None and unit.accounts.find(subject, STANDING):
        account = account_of(unit, subject, period, policy, now)
    return account


def save(unit: UnitOfWork, account: Account, entries: list[Entry]) -> None:
    """Stores an account and the entries that made it what it is."""
    unit.accounts.save(account)
    unit.ledger.add(entries)


def _opened(unit: UnitOfWork, key: tuple[str, str], job: Job) -> Account:
    account = unit.accounts.find(*key)
    if account is None:
        raise LookupError(f"job {job.id} was charged to {key[0]}, which has no account")
    return account
