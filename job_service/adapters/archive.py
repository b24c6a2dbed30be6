"""What is old enough to leave the tables that are searched, and where jobs go from there."""

import zlib
from datetime import datetime

import sqlalchemy as sa

from job_service.adapters.documents import decode_job
from job_service.adapters.tables import ARCHIVED_JOBS, JOB_DEPENDENCIES, JOBS, PLUMBING
from job_service.domain.job import Job
from job_service.domain.states import ENDED
from servicekit.clock import to_micros
from servicekit.database import Database

_ENDED = [state.value for state in ENDED]


def archived_row(job_id: str, document: bytes) -> dict[str, str | bytes]:
    """The row of an archived job."""
    return {"id": job_id, "document": zlib.compress(document)}


def job_of_row(document: bytes) -> Job:
    """The job of an archived row's document."""
    return decode_job(zlib.decompress(document))


async def archived_job(database: Database, job_id: str) -> Job | None:
    """An archived job, or None."""
    statement = sa.select(ARCHIVED_JOBS.c.document).where(ARCHIVED_JOBS.c.id == job_id)
    document = await database.read(lambda c: c.execute(statement).scalar())
    return None if document is None else job_of_row(document)


class ArchiveReads:
    """Queries of what is old; part of the service's reader."""

    _database: Database

    async def archivable(self, before: datetime, limit: int) -> list[str]:
        """The ids of jobs that ended before a time and that no other job still names."""
        named = sa.exists().where(JOB_DEPENDENCIES.c.on_id == JOBS.c.id)
        statement = (
            sa.select(JOBS.c.id)
            .where(JOBS.c.updated_at < to_micros(before), JOBS.c.state.in_(_ENDED), ~named)
            .order_by(JOBS.c.updated_at, JOBS.c.id)
            .limit(limit)
        )
        return list(await self._database.read(lambda c: c.execute(statement).scalars().all()))

    async def trimmable(self, before: datetime, limit: int) -> int:
        """The last revision up to which the log's oldest events are all from before a time.

        Of the first ``limit`` events, and never within a change; 0 if there is none.
        """
        columns = PLUMBING.events.c
        statement = sa.select(columns.revision, columns.at, columns.more)
        statement = statement.order_by(columns.revision).limit(limit)
        rows = await self._database.read(lambda c: c.execute(statement).all())
        found = 0
        for row in rows:
            if row.at >= to_micros(before):
                break
            if not row.more:
                found = row.revision
        return found
