"""What only reads jobs, as far as the caller may see them."""

from typing import Any

from job_service.application.commands.acting import Caller
from job_service.application.commands.submitting import SubmitJob
from job_service.application.pages import Page, page_of
from job_service.application.ports import JobQuery, Reader
from job_service.application.quotas import get_quota, limited_account
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, submit
from job_service.domain.ledger import of_team, of_user
from job_service.domain.quantity import period_of
from servicekit.clock import to_micros
from servicekit.tokens import decode_page_token


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
    return page_of(
        repr(query),
        jobs,
        [(to_micros(at), job.id) for at, job in zip(times, jobs, strict=True)],
        page_size,
    )


async def check_submit(reader: Reader, command: SubmitJob) -> Job:
    """The job that a submit would create, without an id; nothing is stored.

    Raises:
        QuotaExceeded: the submit would be refused.
    """
    owner, period = command.owner, period_of(command.now)
    job = submit("", owner, command.spec, period, command.now).job
    (await get_quota(reader, of_user(owner.id), period, command.policy)).account.follow(None, job)
    if owner.team and (team := await limited_account(reader, of_team(owner.team), period)):
        team.follow(None, job)
    return job
