"""What only reads: pages of jobs and of the ledger, as far as the caller may see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from job_service.application.commands import Caller, Policy, SubmitJob
from job_service.application.ports import EntryQuery, JobQuery, Reader
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, submit
from job_service.domain.ledger import Account, Entry
from job_service.domain.quantity import period_of
from servicekit.clock import to_micros
from servicekit.tokens import KeyValue, decode_page_token, encode_page_token
from servicekit.values import Value

T = TypeVar("T")


class Page(Value, Generic[T], frozen=True):
    """Part of a list, and the token that gives the next part; empty on the last."""

    items: list[T]
    next_page_token: str


async def get_job(reader: Reader, caller: Caller, job_id: str) -> Job:
    """The job; a stranger's does not exist."""
    job = await reader.job(job_id)
    if not caller.may_see(job):
        raise JobNotFound(job_id)
    return job


async def list_jobs(reader: Reader, query: JobQuery, page_size: int, page_token: str) -> Page[Job]:
    """A page of the jobs that match, newest first unless the query says otherwise."""
    after: Any = decode_page_token(repr(query), page_token, int, str)
    jobs = await reader.jobs(query, after, page_size + 1)
    times = [job.updated_at if query.by_update else job.created_at for job in jobs]
    return _page(
        repr(query),
        jobs,
        [(to_micros(at), job.id) for at, job in zip(times, jobs, strict=True)],
        page_size,
    )


async def list_entries(
    reader: Reader, query: EntryQuery, page_size: int, page_token: str
) -> Page[Entry]:
    """A page of the ledger's entries that match, newest first."""
    after: Any = decode_page_token(repr(query), page_token, str, int)
    entries = await reader.entries(query, after, page_size + 1)
    return _page(
        repr(query), entries, [(entry.period, entry.sequence) for entry in entries], page_size
    )


async def get_account(reader: Reader, owner_id: str, policy: Policy, now: datetime) -> Account:
    """The owner's account of this month; before its first use it shows what it will open with."""
    period = period_of(now)
    return await reader.account(owner_id, period) or Account(
        owner_id, period, limit=policy.monthly_allowance
    )


async def check_submit(reader: Reader, command: SubmitJob) -> Job:
    """The job that a submit would create, without an id; nothing is stored.

    Raises:
        QuotaExceeded: the submit would be refused.
    """
    change = submit("", command.owner, command.spec, period_of(command.now), command.now)
    account = await get_account(reader, command.owner.id, command.policy, command.now)
    account.reserve(change.job)
    return change.job


def _page(scope: str, rows: Sequence[T], keys: Sequence[Sequence[KeyValue]], size: int) -> Page[T]:
    """The first ``size`` of up to ``size + 1`` rows, with a token if there are more."""
    more = len(rows) > size
    return Page(list(rows[:size]), encode_page_token(scope, keys[size - 1]) if more else "")
