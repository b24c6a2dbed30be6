"""Signing keys, revocations and the audit log, as rows; and the service's event log."""

from datetime import datetime

import sqlalchemy as sa

from auth_service.adapters.documents import encode_event
from auth_service.adapters.rows import (
    audit_row,
    revocation_row,
    signing_key_of,
    signing_key_row,
)
from auth_service.adapters.tables import (
    API_KEYS,
    AUDIT_EVENTS,
    AUDIT_LOG,
    DEVICES,
    PLUMBING,
    REVOCATIONS,
    SESSIONS,
    SIGNING_KEYS,
    TALLIES,
    TICKETS,
)
from auth_service.domain import api_keys, devices
from auth_service.domain.audit import AuditEntry, Link, chained
from auth_service.domain.events import AuthEvent, TokensRevoked
from auth_service.domain.signing_keys import SigningKey
from servicekit.clock import to_micros
from servicekit.transaction import Event, Transaction


class SqlSigningKeys:
    """What the application's SigningKeys promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def all(self) -> list[SigningKey]:
        """Returns every key."""
        return [signing_key_of(row) for row in self._transaction.select(SIGNING_KEYS.select())]

    def add(self, key: SigningKey) -> None:
        """Adds a key."""
        self._transaction.insert(SIGNING_KEYS, signing_key_row(key))

    def replace(self, key: SigningKey) -> None:
        """Puts a key in the place of the one with the same id."""
        self._transaction.update(SIGNING_KEYS, signing_key_row(key))

    def remove(self, key_id: str) -> None:
        """Deletes a key, with the private half of it."""
        self._transaction.execute(SIGNING_KEYS.delete().where(SIGNING_KEYS.c.id == key_id))


class SqlEvents:
    """The event log, written in the command's own transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def append(self, event: AuthEvent) -> None:
        """Appends what happened."""
        self._transaction.append(
            Event(event.kind, event.subject, encode_event(event), to_micros(event.at))
        )


class SqlRevocations:
    """What the application's Revocations promises."""

    def __init__(self, transaction: Transaction, events: SqlEvents) -> None:
        self._transaction = transaction
        self._events = events

    def add(self, revoked: TokensRevoked) -> None:
        """Stores the revocation and appends it to the event log."""
        row = revocation_row(revoked, self._transaction.next_revision)
        if self._transaction.get(REVOCATIONS, (row["user_id"], row["session_id"])) is None:
            self._transaction.insert(REVOCATIONS, row)
        else:
            self._transaction.update(REVOCATIONS, row)
        self._events.append(revoked)


class SqlAudit:
    """What the application's Audit promises; the chain's end is a row of its own."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def append(self, entry: AuditEntry) -> None:
        """Appends what happened."""
        end = self._transaction.get(AUDIT_LOG, 1)
        if end is None:
            raise LookupError("audit_log has no row; its migration makes one")
        event = chained(Link(end["sequence"], end["hash"]), entry)
        self._transaction.insert(AUDIT_EVENTS, audit_row(event))
        new_end = {"id": 1, "sequence": event.link.sequence, "hash": event.link.hash}
        self._transaction.update(AUDIT_LOG, new_end)


class SqlExpired:
    """What the application's Expired promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def forget(self, now: datetime, most: int) -> int:
        """Deletes what is over, up to `most` rows of each kind, and counts the rows."""
        at = to_micros(now)
        unused = to_micros(now - devices.LIFETIME)
        over = to_micros(now - api_keys.KEPT_AFTER_ITS_END)
        conditions = {
            SESSIONS: SESSIONS.c.expires_at <= at,
            DEVICES: DEVICES.c.used_at <= unused,
            TICKETS: TICKETS.c.expires_at <= at,
            TALLIES: TALLIES.c.forgotten_at <= at,
            REVOCATIONS: REVOCATIONS.c.expires_at <= at,
            API_KEYS: sa.or_(API_KEYS.c.expires_at <= over, API_KEYS.c.revoked_at <= over),
        }
        return sum(self._delete(table, it, most) for table, it in conditions.items())

    def trim_events(self, before: datetime, most: int) -> int:
        """Deletes up to `most` of the oldest events of the log, and counts them."""
        events, log = PLUMBING.events, PLUMBING.event_log
        [state] = self._transaction.select(log.select())
        young = sa.select(sa.func.min(events.c.revision).label("first"))
        [kept] = self._transaction.select(young.where(events.c.at >= to_micros(before)))
        last = state["head"] if kept["first"] is None else kept["first"] - 1
        last = min(last, state["floor"] + most)
        if last <= state["floor"]:
            return 0
        self._transaction.execute(log.update().values(floor=last))
        return self._transaction.execute(events.delete().where(events.c.revision <= last))

    def _delete(self, table: sa.Table, condition: sa.ColumnElement[bool], most: int) -> int:
        key = sa.tuple_(*table.primary_key.columns)
        some = sa.select(*table.primary_key.columns).where(condition).limit(most)
        return self._transaction.execute(table.delete().where(key.in_(some)))
