"""Sessions, devices and tickets as rows."""

import sqlalchemy as sa

from auth_service.adapters.rows import (
    device_row,
    session_of,
    session_row,
    ticket_of,
    ticket_row,
)
from auth_service.adapters.tables import DEVICES, SESSIONS, TICKETS
from auth_service.domain.devices import Device
from auth_service.domain.sessions import Session
from auth_service.domain.tickets import Ticket
from servicekit.transaction import Transaction


class SqlSessions:
    """What the application's Sessions promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self, session_id: str) -> Session | None:
        """Returns the session of this id."""
        row = self._transaction.get(SESSIONS, session_id)
        return session_of(row) if row else None

    def add(self, session: Session) -> None:
        """Adds a session."""
        self._transaction.insert(SESSIONS, session_row(session))

    def replace(self, session: Session) -> None:
        """Puts a session in the place of the one with the same id."""
        self._transaction.update(SESSIONS, session_row(session))

    def remove(self, session_id: str) -> bool:
        """Ends a session, and tells whether there was one."""
        which = SESSIONS.delete().where(SESSIONS.c.id == session_id)
        return self._transaction.execute(which) > 0

    def remove_all(self, user_id: str) -> int:
        """Ends all sessions of a user, and counts them."""
        return self._transaction.execute(SESSIONS.delete().where(SESSIONS.c.user_id == user_id))

    def keep_newest(self, user_id: str, most: int) -> None:
        """Ends the oldest sessions of a user beyond this number."""
        query = sa.select(SESSIONS.c.id).where(SESSIONS.c.user_id == user_id)
        newest_first = query.order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.id.desc())
        surplus = [row["id"] for row in self._transaction.select(newest_first.offset(most))]
        if surplus:
            self._transaction.execute(SESSIONS.delete().where(SESSIONS.c.id.in_(surplus)))


class SqlDevices:
    """What the application's Devices promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, device: Device) -> None:
        """Adds a device, or puts it in the place of the one with the same hash."""
        row = device_row(device)
        if self._transaction.get(DEVICES, row["hash"]) is None:
            self._transaction.insert(DEVICES, row)
        else:
            self._transaction.update(DEVICES, row)

    def remove_all(self, user_id: str) -> None:
        """Forgets all devices of a user."""
        self._transaction.execute(DEVICES.delete().where(DEVICES.c.user_id == user_id))

    def keep_newest(self, user_id: str, most: int) -> None:
        """Forgets the devices of a user that were not used for longest, beyond this number."""
        query = sa.select(DEVICES.c.hash).where(DEVICES.c.user_id == user_id)
        newest_first = query.order_by(DEVICES.c.used_at.desc(), DEVICES.c.hash)
        surplus = [row["hash"] for row in self._transaction.select(newest_first.offset(most))]
        if surplus:
            self._transaction.execute(DEVICES.delete().where(DEVICES.c.hash.in_(surplus)))


class SqlTickets:
    """What the application's Tickets promises."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, ticket: Ticket) -> None:
        """Adds a ticket."""
        self._transaction.insert(TICKETS, ticket_row(ticket))

    def take(self, ticket_hash: bytes) -> Ticket | None:
        """Returns the ticket of this hash and removes it."""
        row = self._transaction.get(TICKETS, ticket_hash.hex())
        if row is None:
            return None
        self._transaction.execute(TICKETS.delete().where(TICKETS.c.hash == ticket_hash.hex()))
        return ticket_of(row)
