"""Queries on reading connections, beside the writer."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from job_service.adapters.documents import decode_job
from job_service.adapters.tables import ACCOUNTS, JOB_LABELS, JOBS, LEDGER, PLUMBING
from job_service.adapters.unit import account_of_row
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.errors import JobNotFound
from job_service.domain.job import ENDED, Job, JobState
from job_service.domain.ledger import Account, Entry, EntryKind
from servicekit.clock import from_micros, to_micros
from servicekit.database import Database

_UNFINISHED = [state.value for state in JobState if state not in ENDED]


class SqlReader:
    """Reads what is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, job_id: str) -> Job:
        """The job; raises JobNotFound."""
        statement = sa.select(JOBS.c.document).where(JOBS.c.id == job_id)
        document = await self._database.read(lambda c: c.execute(statement).scalar())
        if document is None:
            raise JobNotFound(job_id)
        return decode_job(document)

    async def jobs(self, query: JobQuery, after: tuple[int, str] | None, limit: int) -> list[Job]:
        """A page of jobs by keyset, never by offset."""
        time = JOBS.c.updated_at if query.by_update else JOBS.c.created_at
        statement = sa.select(JOBS.c.document).where(*_conditions(query)).limit(limit)
        key = sa.tuple_(time, JOBS.c.id)
        if query.ascending:
            statement = statement.order_by(time, JOBS.c.id)
        else:
            statement = statement.order_by(time.desc(), JOBS.c.id.desc())
        if after is not None:
            last = sa.tuple_(*after)
            statement = statement.where(key > last if query.ascending else key < last)
        documents = await self._database.read(lambda c: c.execute(statement).scalars().all())
        return [decode_job(document) for document in documents]

    async def snapshot(self, query: JobQuery, job_ids: Sequence[str]) -> tuple[int, list[Job]]:
        """Revision and jobs of the same moment: one statement sees one state of the database."""
        which = JOBS.c.id.in_(job_ids) if job_ids else JOBS.c.state.in_(_UNFINISHED)
        matching = sa.and_(which, *_conditions(query))
        statement = (
            sa.select(PLUMBING.event_log.c.head, JOBS.c.document)
            .select_from(PLUMBING.event_log.outerjoin(JOBS, matching))
            .order_by(JOBS.c.created_at, JOBS.c.id)
        )
        rows = await self._database.read(lambda c: c.execute(statement).all())
        return rows[0].head, [decode_job(row.document) for row in rows if row.document is not None]

    async def position(self, name: str) -> str:
        """How far a loop has read, empty if it never did."""
        cursors = PLUMBING.cursors
        statement = sa.select(cursors.c.position).where(cursors.c.name == name)
        return await self._database.read(lambda c: c.execute(statement).scalar()) or ""

    async def account(self, owner_id: str, period: str) -> Account | None:
        """The account, or None."""
        statement = ACCOUNTS.select().where(
            ACCOUNTS.c.owner_id == owner_id, ACCOUNTS.c.period == period
        )
        row = await self._database.read(lambda c: c.execute(statement).mappings().first())
        return account_of_row(row) if row else None

    async def entries(
        self, query: EntryQuery, after: tuple[str, int] | None, limit: int
    ) -> list[Entry]:
        """A page of an owner's entries, newest first."""
        conditions = [LEDGER.c.owner_id == query.owner_id]
        if query.job_id:
            conditions.append(LEDGER.c.job_id == query.job_id)
        if query.kinds:
            conditions.append(LEDGER.c.kind.in_([kind.value for kind in query.kinds]))
        if query.from_time:
            conditions.append(LEDGER.c.at >= to_micros(query.from_time))
        if query.to_time:
            conditions.append(LEDGER.c.at < to_micros(query.to_time))
        order = sa.tuple_(LEDGER.c.period, LEDGER.c.sequence)
        if after is not None:
            conditions.append(order < sa.tuple_(*after))
        statement = (
            LEDGER.select()
            .where(*conditions)
            .order_by(LEDGER.c.period.desc(), LEDGER.c.sequence.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(statement).mappings().all())
        return [_entry(row) for row in rows]


def _conditions(query: JobQuery) -> list[sa.ColumnElement[bool]]:
    """The query's conditions as SQL; empty fields give none."""
    equal = {
        JOBS.c.owner_id: query.owner_id,
        JOBS.c.team: query.team,
        JOBS.c.gpu_type: query.gpu_type,
        JOBS.c.pool: query.pool,
        JOBS.c.provider: query.provider,
    }
    conditions: list[sa.ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value
    ]
    if query.states:
        conditions.append(JOBS.c.state.in_([state.value for state in query.states]))
    if query.name_prefix:
        # LIKE would not tell capitals from small letters on SQLite.
        begins = sa.func.substr(JOBS.c.name, 1, len(query.name_prefix))
        conditions.append(begins == query.name_prefix)
    if query.created_from:
        conditions.append(JOBS.c.created_at >= to_micros(query.created_from))
    if query.created_to:
        conditions.append(JOBS.c.created_at < to_micros(query.created_to))
    return conditions + [_labelled(key, value) for key, value in query.labels]


def _labelled(key: str, value: str | None) -> sa.ColumnElement[bool]:
    labelled = sa.select(JOB_LABELS.c.job_id).where(JOB_LABELS.c.key == key)
    return JOBS.c.id.in_(labelled if value is None else labelled.where(JOB_LABELS.c.value == value))


def _entry(row: Any) -> Entry:
    return Entry(**{**row, "kind": EntryKind(row["kind"]), "at": from_micros(row["at"])})
