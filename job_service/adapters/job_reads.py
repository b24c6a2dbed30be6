"""Queries about jobs on reading connections, beside the writer."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from job_service.adapters.archive import archived_job
from job_service.adapters.documents import decode_event, decode_job, decode_run
from job_service.adapters.job_lists import conditions, page_of_jobs
from job_service.adapters.job_rows import EVERYBODY
from job_service.adapters.tables import JOB_COUNTS, JOB_DEPENDENCIES, JOBS, PLUMBING, RUNS
from job_service.application.ports import JobQuery
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, JobEvent
from job_service.domain.runs import Run
from job_service.domain.states import ENDED, JobState
from servicekit.clock import from_micros, to_micros
from servicekit.database import Database
from servicekit.transaction import RecordedEvent
from servicekit.values import replace


class JobReads:
    """Reads what is committed of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, job_id: str) -> Job:
        """The job; raises JobNotFound."""
        statement = sa.select(JOBS.c.document).where(JOBS.c.id == job_id)
        document = await self._database.read(lambda c: c.execute(statement).scalar())
        if document is not None:
            return decode_job(document)
        if job := await archived_job(self._database, job_id):
            return job
        raise JobNotFound(job_id)

    async def jobs(self, query: JobQuery, after: tuple[int, str] | None, limit: int) -> list[Job]:
        """A page of jobs by keyset, never by offset."""
        statement = page_of_jobs(query, after, limit)
        rows = await self._database.read(lambda c: c.execute(statement).all())
        return [decode_job(row.document) for row in rows]

    async def snapshot(
        self, query: JobQuery, job_ids: Sequence[str], after: tuple[int, str] | None, limit: int
    ) -> tuple[int, list[Job]]:
        """Revision and jobs of the same moment: one statement sees one state of the database."""
        select = _named(query, job_ids, after) if job_ids else _unfinished(query, after, limit)
        log, page = PLUMBING.event_log, select.limit(limit).subquery()
        statement = (
            sa.select(log.c.head, page.c.document)
            .select_from(log.outerjoin(page, sa.true()))
            .order_by(page.c.at, page.c.id)
        )
        rows = await self._database.read(lambda c: c.execute(statement).all())
        return rows[0].head, [decode_job(row.document) for row in rows if row.document is not None]

    async def job_events(self, job_id: str, after: int, limit: int) -> list[tuple[int, JobEvent]]:
        """What happened to a job after a revision, oldest first, with its revisions."""
        events = PLUMBING.events
        statement = (
            events.select()
            .where(events.c.subject == job_id, events.c.revision > after)
            .order_by(events.c.revision)
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(statement).mappings().all())
        recorded = [RecordedEvent(**{**row, "payload": bytes(row["payload"])}) for row in rows]
        return [(it.revision, decode_event(it)) for it in recorded]

    async def runs(self, job_id: str, before: int, limit: int) -> list[Run]:
        """The runs that a job has left behind, the latest first, before an attempt."""
        statement = (
            sa.select(RUNS.c.document)
            .where(RUNS.c.job_id == job_id, RUNS.c.attempt < before)
            .order_by(RUNS.c.attempt.desc())
            .limit(limit)
        )
        documents = await self._database.read(lambda c: c.execute(statement).scalars().all())
        return [decode_run(document) for document in documents]

    async def counts(self, owner_id: str = "", team: str = "") -> dict[JobState, int]:
        """How many jobs of an owner, or of a team, or of everybody are in each state."""
        scope = f"user:{owner_id}" if owner_id else f"team:{team}" if team else EVERYBODY
        statement = JOB_COUNTS.select().where(JOB_COUNTS.c.scope == scope)
        row = await self._database.read(lambda c: c.execute(statement).mappings().first())
        return {state: row[state.lower()] if row else 0 for state in JobState}

    async def dependents(self, job_ids: Iterable[str]) -> list[str]:
        """The jobs that were told to wait for one of these."""
        table = JOB_DEPENDENCIES.c
        statement = sa.select(table.job_id).where(table.on_id.in_(list(job_ids))).distinct()
        return list(await self._database.read(lambda c: c.execute(statement).scalars().all()))

    async def due(
        self, after: tuple[datetime, str], until: datetime, limit: int
    ) -> list[tuple[datetime, str]]:
        """Jobs that time alone lets go on, with that time, in order, after (time, id)."""
        at = JOBS.c.due_at
        last = sa.tuple_(to_micros(after[0]), after[1])
        statement = (
            sa.select(at, JOBS.c.id)
            .where(at.is_not(None), sa.tuple_(at, JOBS.c.id) > last, at <= to_micros(until))
            .order_by(at, JOBS.c.id)
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(statement).all())
        return [(from_micros(row[0]), row[1]) for row in rows]

    async def position(self, name: str) -> str:
        """How far a loop has read, empty if it never did."""
        cursors = PLUMBING.cursors
        statement = sa.select(cursors.c.position).where(cursors.c.name == name)
        return await self._database.read(lambda c: c.execute(statement).scalar()) or ""


def _unfinished(query: JobQuery, after: tuple[int, str] | None, limit: int) -> sa.Select[Any]:
    """The oldest matching jobs that have not ended, by ``at`` and ``id``."""
    states = tuple(state for state in query.states or JobState if state not in ENDED)
    oldest_first = replace(query, states=states, by_update=False, ascending=True)
    page = page_of_jobs(oldest_first, after, limit)
    return page if states else page.where(sa.false())


def _named(
    query: JobQuery, job_ids: Sequence[str], after: tuple[int, str] | None
) -> sa.Select[Any]:
    """The matching ones among these jobs, by ``at`` and ``id``."""
    at, job_id = JOBS.c.created_at, JOBS.c.id
    found = [job_id.in_(job_ids), *conditions(query)]
    if query.states:
        found.append(JOBS.c.state.in_([state.value for state in query.states]))
    if after is not None:
        found.append(sa.tuple_(at, job_id) > sa.tuple_(*after))
    return sa.select(at.label("at"), job_id, JOBS.c.document).where(*found).order_by(at, job_id)
