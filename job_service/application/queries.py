"""What only reads jobs, as far as the caller may see them."""

from typing import Any

from job_service.application.commands.acting import Caller
from job_service.application.pages import Page, page_of
from job_service.application.ports import JobQuery, Reader
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, JobEvent
from job_service.domain.runs import Run
from job_service.domain.states import JobState
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


async def list_events(
    reader: Reader, job: Job, page_size: int, page_token: str
) -> Page[tuple[int, JobEvent]]:
    """A page of what happened to a job, oldest first."""
    scope = f"events/{job.id}"
    after: Any = decode_page_token(scope, page_token, int)
    events = await reader.job_events(job.id, after[0] if after else 0, page_size + 1)
    return page_of(scope, events, [[revision] for revision, _ in events], page_size)


async def list_runs(reader: Reader, job: Job, page_size: int, page_token: str) -> Page[Run]:
    """A page of a job's runs, the latest first; that one is part of the job."""
    scope = f"runs/{job.id}"
    after: Any = decode_page_token(scope, page_token, int)
    before = after[0] if after else job.run_count + 1
    latest = [job.run] if job.run and job.run.attempt < before else []
    earlier = await reader.runs(job.id, before, page_size + 1 - len(latest))
    runs = latest + [run for run in earlier if run not in latest]
    return page_of(scope, runs, [[run.attempt] for run in runs], page_size)


async def count_jobs(reader: Reader, owner_id: str, team: str) -> dict[JobState, int]:
    """How many jobs are in each state that has any: an owner's, a team's, or everybody's."""
    counts = await reader.counts(owner_id, team)
    return {state: count for state, count in counts.items() if count}
