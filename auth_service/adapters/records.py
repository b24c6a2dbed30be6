"""The audit log, the signing keys and the revocations as they are on disk."""

from datetime import datetime

import sqlalchemy as sa

from auth_service.adapters.rows import audit_event_of, revocation_of, signing_key_of
from auth_service.adapters.tables import (
    AUDIT_EVENTS,
    AUDIT_LOG,
    PLUMBING,
    REVOCATIONS,
    SIGNING_KEYS,
)
from auth_service.application.ports import AuditQuery, RevocationsInForce
from auth_service.domain.audit import AuditEvent, ChainBroken, Link
from auth_service.domain.signing_keys import SigningKey
from servicekit.clock import to_micros
from servicekit.database import Database


class SqlAuditLog:
    """What the application's AuditLog promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, query: AuditQuery, before: int | None, limit: int) -> list[AuditEvent]:
        """Returns a page of events, newest first, before that sequence."""
        conditions = _conditions(query)
        if before is not None:
            conditions.append(AUDIT_EVENTS.c.sequence < before)
        newest_first = AUDIT_EVENTS.c.sequence.desc()
        statement = AUDIT_EVENTS.select().where(*conditions).order_by(newest_first).limit(limit)
        rows = await self._database.read(lambda it: it.execute(statement).mappings().all())
        return [audit_event_of(row) for row in rows]

    async def chain(self, after: int, limit: int) -> list[AuditEvent]:
        """Returns events in their order, after that sequence.

        Raises:
            ChainBroken: a row has what no event has.
        """
        query = AUDIT_EVENTS.select().where(AUDIT_EVENTS.c.sequence > after)
        query = query.order_by(AUDIT_EVENTS.c.sequence).limit(limit)
        rows = await self._database.read(lambda it: it.execute(query).mappings().all())
        return [_readable(row) for row in rows]

    async def end(self) -> Link:
        """Returns the place of the last event that was appended."""
        row = await self._database.read(lambda it: it.execute(AUDIT_LOG.select()).one())
        return Link(row.sequence, row.hash)


class SqlKeys:
    """What the application's Keys promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def signing_keys(self) -> list[SigningKey]:
        """Returns every key."""
        query = SIGNING_KEYS.select()
        rows = await self._database.read(lambda it: it.execute(query).mappings().all())
        return [signing_key_of(row) for row in rows]

    async def revocations(self, now: datetime) -> RevocationsInForce:
        """Returns what is in force and the revision that says so, from one statement."""
        log = PLUMBING.event_log
        in_force = REVOCATIONS.c.expires_at > to_micros(now)
        query = (
            sa.select(log.c.head, REVOCATIONS)
            .select_from(log.outerjoin(REVOCATIONS, in_force))
            .order_by(REVOCATIONS.c.revision)
        )
        rows = await self._database.read(lambda it: it.execute(query).mappings().all())
        present = [row for row in rows if row["user_id"] is not None]
        revoked = [(row["revision"], revocation_of(row)) for row in present]
        return RevocationsInForce(rows[0]["head"], revoked)


def _conditions(query: AuditQuery) -> list[sa.ColumnElement[bool]]:
    events = AUDIT_EVENTS.c
    conditions: list[sa.ColumnElement[bool]] = []
    if query.actor_id:
        conditions.append(events.actor_id == query.actor_id)
    if query.target:
        conditions.append(events.target == query.target)
    if query.action is not None:
        conditions.append(events.action == query.action.value)
    if query.from_time is not None:
        conditions.append(events.at >= to_micros(query.from_time))
    if query.to_time is not None:
        conditions.append(events.at < to_micros(query.to_time))
    return conditions


def _readable(row: sa.RowMapping) -> AuditEvent:
    try:
        return audit_event_of(row)
    except (ValueError, TypeError, OverflowError):
        raise ChainBroken(row["sequence"], "its content is none that was ever written") from None
