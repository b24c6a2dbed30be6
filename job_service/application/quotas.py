"""What is only read of quotas: figures, statements, and lists of both."""

from itertools import groupby
from typing import Any

from job_service.application.commands.acting import Policy
from job_service.application.commands.quota import Quota
from job_service.application.pages import Page, page_of
from job_service.application.ports import AccountQuery, EntryQuery, Reader
from job_service.domain.ledger import STANDING, Account, Entry
from servicekit.tokens import decode_page_token
from servicekit.values import replace


async def get_quota(reader: Reader, subject: str, period: str, policy: Policy) -> Quota:
    """The quota of a month; before its first use it shows what it will open with.

    A team without a limit has no hours of its own: everything is 0.
    """
    account = await reader.account(subject, period)
    standing = await reader.account(subject, STANDING)
    if account is None:
        default = policy.monthly_allowance if subject.startswith("user:") else 0
        account = Account(subject, period, limit=standing.limit if standing else default)
    return Quota(account, is_default=standing is None)


async def limited_account(reader: Reader, team: str, period: str) -> Account | None:
    """A team's account of a month, opened or not; None if the team has no limit."""
    if account := await reader.account(team, period):
        return account
    standing = await reader.account(team, STANDING)
    return replace(standing, period=period) if standing else None


async def list_quotas(
    reader: Reader, query: AccountQuery, page_size: int, page_token: str
) -> Page[Quota]:
    """A page of quotas of a month, in the order of their subjects."""
    after = decode_page_token(repr(query), page_token, str)
    accounts = await reader.accounts(query, str(after[0]) if after else "", page_size + 1)
    quotas = [
        _quota(query.period, list(both)) for _, both in groupby(accounts, lambda it: it.subject)
    ]
    return page_of(repr(query), quotas, [(it.account.subject,) for it in quotas], page_size)


async def list_entries(
    reader: Reader, query: EntryQuery, page_size: int, page_token: str
) -> Page[Entry]:
    """A page of the ledger's entries that match, newest first."""
    after: Any = decode_page_token(repr(query), page_token, str, int)
    entries = await reader.entries(query, after, page_size + 1)
    return page_of(
        repr(query), entries, [(entry.period, entry.sequence) for entry in entries], page_size
    )


def _quota(period: str, accounts: list[Account]) -> Quota:
    """The quota of a subject's accounts: the standing one, that of the month, or both."""
    standing, account = accounts[0], accounts[-1]
    if account.period == STANDING:
        account = replace(account, period=period)
    return Quota(account, is_default=standing.period != STANDING)
