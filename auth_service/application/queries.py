"""Everything that only reads."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from auth_service.application.ports import (
    ApiKeyQuery,
    AuditLog,
    AuditQuery,
    Credentials,
    Directory,
    UserQuery,
)
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import AuditEvent, ChainBroken, Link, checked
from auth_service.domain.errors import AccessRevoked, UserNotFound
from auth_service.domain.users import User
from servicekit.clock import to_micros
from servicekit.tokens import KeyValue, decode_page_token, encode_page_token
from servicekit.values import Value

T = TypeVar("T")

CHAIN_BATCH = 1_000


class Page(Value, Generic[T], frozen=True):
    """Part of a list, and the token that gives the next part; empty on the last."""

    items: list[T]
    next_page_token: str


async def current_user(directory: Directory, user_id: str) -> User:
    """Returns the user that a verified token stands for.

    Raises:
        AccessRevoked: the user is disabled or gone.
    """
    user = await directory.get(user_id)
    if user is None:
        raise AccessRevoked
    user.check_access()
    return user


async def get_user(directory: Directory, user_id: str) -> User:
    """Returns a user; UserNotFound if nobody has this id."""
    user = await directory.get(user_id)
    if user is None:
        raise UserNotFound(user_id)
    return user


async def list_users(
    directory: Directory, query: UserQuery, page_size: int, page_token: str
) -> Page[User]:
    """Returns a page of the users that match, by name."""
    after: Any = decode_page_token(repr(query), page_token, str)
    users = await directory.users(query, after[0] if after else None, page_size + 1)
    return _page(repr(query), users, [(user.username_key,) for user in users], page_size)


async def list_api_keys(
    credentials: Credentials, query: ApiKeyQuery, page_size: int, page_token: str
) -> Page[ApiKey]:
    """Returns a page of a user's API keys, newest first."""
    scope = f"api keys of {query.user_id}, active only: {query.active_at is not None}"
    after: Any = decode_page_token(scope, page_token, int, str)
    keys = await credentials.api_keys(query, after, page_size + 1)
    places = [(to_micros(key.created_at), key.id) for key in keys]
    return _page(scope, keys, places, page_size)


async def list_audit_events(
    log: AuditLog, query: AuditQuery, page_size: int, page_token: str
) -> Page[AuditEvent]:
    """Returns a page of the audit events that match, newest first."""
    before: Any = decode_page_token(repr(query), page_token, int)
    events = await log.events(query, before[0] if before else None, page_size + 1)
    return _page(repr(query), events, [(event.link.sequence,) for event in events], page_size)


async def verify_audit(log: AuditLog, expected: Link | None = None) -> Link:
    """Walks the whole audit log and returns its end.

    `expected` is a place that somebody noted earlier, outside of the database: it shows a log that
    was cut off, or written anew from some entry on with all hashes.

    Raises:
        ChainBroken: at the first entry that is not what was written.
    """
    end = await log.end()
    link = Link()
    while batch := await log.chain(link.sequence, CHAIN_BATCH):
        for event in batch:
            link = checked(link, event)
            if expected and expected.sequence == link.sequence and expected.hash != link.hash:
                raise ChainBroken(link.sequence, "does not have the hash that was noted")
    if link.sequence < max(end.sequence, expected.sequence if expected else 0):
        raise ChainBroken(link.sequence + 1, "is missing, and so is every entry after it")
    if end.sequence == link.sequence and end.hash != link.hash:
        raise ChainBroken(link.sequence, "is not the last one that was written")
    return link


def _page(scope: str, rows: Sequence[T], keys: Sequence[Sequence[KeyValue]], size: int) -> Page[T]:
    """The first ``size`` of up to ``size + 1`` rows, with a token if there are more."""
    more = len(rows) > size
    return Page(list(rows[:size]), encode_page_token(scope, keys[size - 1]) if more else "")
