"""The unit of work of one command: repositories over the writer's transaction."""

from typing import Any

import sqlalchemy as sa

from auth_service.adapters.documents import decode_user, encode_event, encode_user
from auth_service.adapters.tables import PLUMBING, SIGNING_KEYS, USERS
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.clock import from_micros, to_micros
from servicekit.idempotency import Requests
from servicekit.statements import Row
from servicekit.transaction import Event, Transaction


class SqlUnitOfWork:
    """What the application's UnitOfWork promises, and the remembered requests."""

    def __init__(self, transaction: Transaction) -> None:
        self.users = SqlUsers(transaction)
        self.signing_keys = SqlSigningKeys(transaction)
        self.events = SqlEvents(transaction)
        self.requests = Requests(transaction, PLUMBING)


class SqlUsers:
    """Users as rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""
        row = self._transaction.get(USERS, user_id)
        return decode_user(row["document"]) if row else None

    def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""
        return self._first(USERS.c.username_key == username_key)

    def with_email(self, email_key: str) -> User | None:
        """Returns the user whose address has this key."""
        return self._first(USERS.c.email_key == email_key)

    def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""
        return self._first(USERS.c.role == Role.ADMIN) is not None

    def add(self, user: User) -> None:
        """Adds a user whose id, name and address no other user has."""
        self._transaction.insert(USERS, _row(user))

    def replace(self, user: User) -> None:
        """Puts a user in the place of the one with the same id."""
        self._transaction.update(USERS, _row(user))

    def _first(self, condition: sa.ColumnElement[bool]) -> User | None:
        found = self._transaction.select(sa.select(USERS.c.document).where(condition).limit(1))
        return decode_user(found[0]["document"]) if found else None


class SqlSigningKeys:
    """Signing keys as rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def newest(self) -> SigningKey | None:
        """Returns the key made last."""
        newest_first = SIGNING_KEYS.select().order_by(SIGNING_KEYS.c.created_at.desc()).limit(1)
        for row in self._transaction.select(newest_first):
            return SigningKey(row["id"], bytes(row["private_key"]), from_micros(row["created_at"]))
        return None

    def add(self, key: SigningKey) -> None:
        """Adds a key."""
        row = {
            "id": key.id,
            "private_key": key.private_key,
            "created_at": to_micros(key.created_at),
        }
        self._transaction.insert(SIGNING_KEYS, row)


class SqlEvents:
    """The event log, written in the command's own transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def append(self, event: UserRegistered) -> None:
        """Appends what happened."""
        self._transaction.append(
            Event(event.kind, event.user_id, encode_event(event), to_micros(event.at))
        )


def _row(user: User) -> Row:
    columns: dict[str, Any] = {
        "id": user.id,
        "username_key": user.username_key,
        "email_key": user.email_key,
        "role": user.role.value,
        "document": encode_user(user),
    }
    return columns
