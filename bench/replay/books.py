"""Reads back over REST what the system knows at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from bench.accounts import Account

PAGE = 500
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """The system's own record.

    Attributes:
        jobs: every job, of every user.
        quotas: quota of each user, by user id.
        entries: ledger entries of each user, by user id.
    """

    jobs: Sequence[Record]
    quotas: Mapping[str, Record]
    entries: Mapping[str, Sequence[Record]]


async def read_books(
    client: httpx.AsyncClient, admin: Account, accounts: Sequence[Account]
) -> Books:
    """Reads the jobs as the administrator and each ledger as its owner."""
    quotas, entries = {}, {}
    for account in accounts:
        answer = await client.get("/api/v1/quota", headers=account.headers)
        answer.raise_for_status()
        quotas[account.user_id] = answer.json()
        path = "/api/v1/quota/entries"
        entries[account.user_id] = [
            entry async for entry in pages(client, account, path, "entries")
        ]
    return Books(await read_jobs(client, admin), quotas, entries)


async def read_jobs(client: httpx.AsyncClient, admin: Account) -> list[Record]:
    """Reads every job, as the administrator."""
    return [job async for job in pages(client, admin, "/api/v1/admin/jobs", "jobs")]


async def pages(
    client: httpx.AsyncClient, account: Account, path: str, field: str
) -> AsyncIterator[Record]:
    """Yields a list's elements, page after page."""
    token = ""
    while True:
        query: dict[str, str | int] = {"page_size": PAGE, "page_token": token}
        answer = await client.get(path, params=query, headers=account.headers)
        answer.raise_for_status()
        page = answer.json()
        for record in page.get(field, ()):
            yield record
        token = page.get("next_page_token", "")
        if not token:
            return
