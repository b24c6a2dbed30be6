"""Users as rows."""

from collections.abc import Iterable

import sqlalchemy as sa

from auth_service.adapters.documents import decode_user
from auth_service.adapters.rows import user_row
from auth_service.adapters.tables import USERS
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.transaction import Transaction

_KEYS_AT_ONCE = 500


class SqlUsers:
    """What the application's Users promises."""

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
        return self._first(USERS.c.role == Role.ADMIN.value) is not None

    def has_active_admin_besides(self, user_id: str) -> bool:
        """Tells whether anybody else is an admin who is not disabled."""
        active = sa.and_(USERS.c.role == Role.ADMIN.value, USERS.c.disabled.is_(sa.false()))
        return self._first(sa.and_(active, USERS.c.id != user_id)) is not None

    def taken(self, username_keys: Iterable[str], email_keys: Iterable[str]) -> set[str]:
        """Returns those of the keys that users have, in few statements for many keys."""
        names = self._present(USERS.c.username_key, list(username_keys))
        return names | self._present(USERS.c.email_key, list(email_keys))

    def add(self, user: User) -> None:
        """Adds a user whose id, name and address no other user has."""
        self._transaction.insert(USERS, user_row(user))

    def replace(self, user: User) -> None:
        """Puts a user in the place of the one with the same id."""
        self._transaction.update(USERS, user_row(user))

    def _first(self, condition: sa.ColumnElement[bool]) -> User | None:
        found = self._transaction.select(sa.select(USERS.c.document).where(condition).limit(1))
        return decode_user(found[0]["document"]) if found else None

    def _present(self, column: sa.Column[str], keys: list[str]) -> set[str]:
        parts = (
            keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)
        )
        found = (self._transaction.select(sa.select(column).where(column.in_(it))) for it in parts)
        return {row[column.name] for rows in found for row in rows}
