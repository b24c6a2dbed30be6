"""The users as they are on disk, read beside the writer."""

import sqlalchemy as sa

from auth_service.adapters.documents import decode_user
from auth_service.adapters.tables import USERS
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.database import Database


class SqlDirectory:
    """What the application's Directory promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""
        return await self._first(USERS.c.id == user_id)

    async def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""
        return await self._first(USERS.c.username_key == username_key)

    async def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""
        return await self._first(USERS.c.role == Role.ADMIN) is not None

    async def _first(self, condition: sa.ColumnElement[bool]) -> User | None:
        query = sa.select(USERS.c.document).where(condition).limit(1)
        found = await self._database.read(lambda connection: connection.execute(query).first())
        return decode_user(found.document) if found else None
