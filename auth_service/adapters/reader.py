"""The users and their credentials as they are on disk, read beside the writer."""

from collections.abc import Sequence

import sqlalchemy as sa

from auth_service.adapters.documents import decode_user
from auth_service.adapters.rows import api_key_of, device_of, tally_of
from auth_service.adapters.tables import API_KEYS, DEVICES, TALLIES, USERS
from auth_service.application.ports import ApiKeyQuery, UserQuery
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.devices import Device
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.clock import to_micros
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
        return await self._first(USERS.c.role == Role.ADMIN.value) is not None

    async def users(self, query: UserQuery, after: str | None, limit: int) -> list[User]:
        """Returns a page of users by the key of their name, by keyset and never by offset."""
        statement = sa.select(USERS.c.document).where(*_user_conditions(query))
        statement = statement.order_by(USERS.c.username_key).limit(limit)
        if after is not None:
            statement = statement.where(USERS.c.username_key > after)
        found = await self._database.read(lambda it: it.execute(statement).scalars().all())
        return [decode_user(document) for document in found]

    async def _first(self, condition: sa.ColumnElement[bool]) -> User | None:
        query = sa.select(USERS.c.document).where(condition).limit(1)
        found = await self._database.read(lambda connection: connection.execute(query).first())
        return decode_user(found.document) if found else None


class SqlCredentials:
    """What the application's Credentials promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def device(self, device_hash: bytes) -> Device | None:
        """Returns the device whose token has this hash."""
        query = DEVICES.select().where(DEVICES.c.hash == device_hash.hex())
        row = await self._database.read(lambda it: it.execute(query).mappings().first())
        return device_of(row) if row else None

    async def tallies(self, keys: Sequence[str]) -> dict[str, Tally]:
        """Returns the tallies that these keys have."""
        query = TALLIES.select().where(TALLIES.c.key.in_(keys))
        rows = await self._database.read(lambda it: it.execute(query).mappings().all())
        return {row["key"]: tally_of(row) for row in rows}

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        """Returns the API key whose secret has this hash."""
        query = API_KEYS.select().where(API_KEYS.c.secret_hash == secret_hash.hex())
        row = await self._database.read(lambda it: it.execute(query).mappings().first())
        return api_key_of(row) if row else None

    async def api_keys(
        self, query: ApiKeyQuery, after: tuple[int, str] | None, limit: int
    ) -> list[ApiKey]:
        """Returns a page of keys, newest first, after the one made at that microsecond."""
        conditions = [API_KEYS.c.user_id == query.user_id]
        if query.active_at is not None:
            conditions.append(API_KEYS.c.revoked_at.is_(None))
            conditions.append(API_KEYS.c.expires_at > to_micros(query.active_at))
        if after is not None:
            key = sa.tuple_(API_KEYS.c.created_at, API_KEYS.c.id)
            conditions.append(key < sa.tuple_(*after))
        newest_first = API_KEYS.c.created_at.desc(), API_KEYS.c.id.desc()
        statement = API_KEYS.select().where(*conditions).order_by(*newest_first).limit(limit)
        rows = await self._database.read(lambda it: it.execute(statement).mappings().all())
        return [api_key_of(row) for row in rows]


def _user_conditions(query: UserQuery) -> list[sa.ColumnElement[bool]]:
    """The query's conditions as SQL; empty fields give none."""
    conditions: list[sa.ColumnElement[bool]] = []
    if query.role is not None:
        conditions.append(USERS.c.role == query.role.value)
    if query.team:
        conditions.append(USERS.c.team == query.team)
    if query.disabled is not None:
        conditions.append(USERS.c.disabled.is_(query.disabled))
    if query.username_prefix:
        begins = sa.func.substr(USERS.c.username_key, 1, len(query.username_prefix))
        conditions.append(begins == query.username_prefix)
    return conditions
