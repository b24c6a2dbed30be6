"""Queries on reading connections, beside the writer."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from job_service.adapters.archive import ArchiveReads
from job_service.adapters.documents import decode_rules
from job_service.adapters.job_reads import JobReads
from job_service.adapters.offers import QuoteKeyReads
from job_service.adapters.tables import ACCOUNTS, APPROVAL_RULES, JOBS, LEDGER
from job_service.adapters.unit import account_of_row
from job_service.adapters.webhooks import WebhookReads
from job_service.application.ports import AccountQuery, EntryQuery
from job_service.domain.approval import Rules
from job_service.domain.ledger import (
    STANDING,
    Account,
    Entry,
    EntryKind,
    of_team,
    of_user,
)
from job_service.domain.states import JobState
from servicekit.clock import from_micros, to_micros


class SqlReader(JobReads, WebhookReads, ArchiveReads, QuoteKeyReads):
    """Reads what is committed, of jobs, quota, approval rules and webhooks."""

    async def approval_rules(self) -> Rules | None:
        """The approval rules, or None."""
        statement = sa.select(APPROVAL_RULES.c.document)
        document = await self._database.read(lambda c: c.execute(statement).scalar())
        return decode_rules(bytes(document)) if document is not None else None

    async def undecided(self, before: datetime, limit: int) -> list[str]:
        """The ids of jobs that have waited for approval longest."""
        statement = (
            sa.select(JOBS.c.id)
            .where(JOBS.c.state == JobState.PENDING.value, JOBS.c.created_at < to_micros(before))
            .order_by(JOBS.c.created_at, JOBS.c.id)
            .limit(limit)
        )
        return list(await self._database.read(lambda c: c.execute(statement).scalars().all()))

    async def account(self, subject: str, period: str) -> Account | None:
        """The account, or None."""
        statement = ACCOUNTS.select().where(
            ACCOUNTS.c.subject == subject, ACCOUNTS.c.period == period
        )
        row = await self._database.read(lambda c: c.execute(statement).mappings().first())
        return account_of_row(row) if row else None

    async def accounts(self, query: AccountQuery, after: str, limit: int) -> list[Account]:
        """Accounts of a page of subjects, by keyset."""
        kind = of_team("") if query.teams else of_user("")
        columns, periods = ACCOUNTS.c, (STANDING, query.period)
        page = sa.select(columns.subject).where(
            columns.period.in_(periods),
            columns.subject > max(after, kind),
            columns.subject < kind[:-1] + ";",
        )
        if query.member_of:
            page = page.where(columns.team == query.member_of)
        page = page.distinct().order_by(columns.subject).limit(limit)
        statement = (
            ACCOUNTS.select()
            .where(columns.period.in_(periods), columns.subject.in_(page.scalar_subquery()))
            .order_by(columns.subject, columns.period)
        )
        rows = await self._database.read(lambda c: c.execute(statement).mappings().all())
        return [account_of_row(row) for row in rows]

    async def entries(
        self, query: EntryQuery, after: tuple[str, int] | None, limit: int
    ) -> list[Entry]:
        """A page of a subject's entries, newest first."""
        conditions = [LEDGER.c.subject == query.subject]
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


def _entry(row: Any) -> Entry:
    return Entry(**{**row, "kind": EntryKind(row["kind"]), "at": from_micros(row["at"])})
