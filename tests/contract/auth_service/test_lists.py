"""What lists promise, whatever is behind them."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from auth_service.application.ports import ApiKeyQuery, AuditQuery, UserQuery
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import Action, AuditEntry, AuditEvent, Origin, Outcome
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.clock import to_micros
from tests.contract.auth_service.conftest import Store

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
USERS = [
    User("u1", "Ada", "h", Role.ADMIN, NOW, NOW, team="engines"),
    User("u2", "adam", "h", Role.USER, NOW, NOW, team="engines", disabled=True),
    User("u3", "bob", "h", Role.USER, NOW, NOW),
    User("u4", "b_b", "h", Role.SERVICE, NOW, NOW),
]

T = TypeVar("T")


async def paged(page: Callable[[Any], Awaitable[list[T]]], place: Callable[[T], Any]) -> list[T]:
    """Everything that a list gives, page by page."""
    found: list[T] = []
    after = None
    while items := await page(after):
        found += items
        after = place(items[-1])
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (UserQuery(), ["Ada", "adam", "b_b", "bob"]),
        (UserQuery(role=Role.USER), ["adam", "bob"]),
        (UserQuery(team="engines"), ["Ada", "adam"]),
        (UserQuery(disabled=True), ["adam"]),
        (UserQuery(disabled=False), ["Ada", "b_b", "bob"]),
        (UserQuery(username_prefix="ada"), ["Ada", "adam"]),
        (UserQuery(username_prefix="b_"), ["b_b"]),
        (UserQuery(role=Role.USER, team="default", disabled=False, username_prefix="b"), ["bob"]),
        (UserQuery(username_prefix="%"), []),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 10])
async def test_users_come_by_name(
    store: Store, query: UserQuery, names: list[str], size: int
) -> None:
    """Those that match, each once, in the order of their names, whatever the size of a page."""
    await store.do(lambda unit: _each(unit.users.add, USERS))
    found = await paged(
        lambda after: store.directory.users(query, after, size), lambda user: user.username_key
    )
    assert names == [user.username for user in found]


def key(number: int, **fields: Any) -> ApiKey:
    """A key of u1, but for the fields."""
    values: dict[str, Any] = {
        "id": f"k{number}",
        "user_id": "u1",
        "name": f"key {number}",
        "prefix": "gpuaas_x",
        "secret_hash": bytes([number]) * 32,
        "role": Role.USER,
        "created_at": NOW + number // 2 * MINUTE,
        "expires_at": NOW + timedelta(days=1),
    }
    return ApiKey(**values | fields)


@pytest.mark.parametrize("size", [1, 2, 10])
async def test_api_keys_come_newest_first(store: Store, size: int) -> None:
    """Those of the user; the revoked and expired only when they are wanted."""
    keys = [key(1), key(2), key(3, revoked_at=NOW), key(4, expires_at=NOW), key(5, user_id="u2")]
    await store.do(lambda unit: _each(unit.api_keys.add, keys))
    for query, names in (
        (ApiKeyQuery("u1"), ["k4", "k3", "k2", "k1"]),
        (ApiKeyQuery("u1", NOW), ["k2", "k1"]),
        (ApiKeyQuery("u3"), []),
    ):
        found = await paged(
            lambda after, query=query: store.credentials.api_keys(query, after, size),  # type: ignore[misc]
            lambda it: (to_micros(it.created_at), it.id),
        )
        assert names == [it.id for it in found]


ENTRIES = [
    AuditEntry(NOW, Origin("a1", "root", "r1", "10.0.0.1"), Action.UPDATE_USER, "u1"),
    AuditEntry(NOW + MINUTE, Origin("a1", "root"), Action.REVOKE_SESSIONS, "u2", reason="left"),
    AuditEntry(NOW + 2 * MINUTE, Origin(), Action.LOGIN, "u1", Outcome.REFUSED, "WRONG"),
    AuditEntry(
        NOW + 3 * MINUTE,
        Origin("a2", "other", address="::1"),
        Action.UPDATE_USER,
        "u1",
        changes=(("role", "user -> admin"), ("email", " -> x")),
    ),
]


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        (AuditQuery(), [4, 3, 2, 1]),
        (AuditQuery(actor_id="a1"), [2, 1]),
        (AuditQuery(target="u1"), [4, 3, 1]),
        (AuditQuery(action=Action.UPDATE_USER), [4, 1]),
        (AuditQuery(from_time=NOW + MINUTE), [4, 3, 2]),
        (AuditQuery(to_time=NOW + MINUTE), [1]),
        (AuditQuery("a1", "u1", Action.UPDATE_USER, NOW, NOW + MINUTE), [1]),
        (AuditQuery(target="nobody"), []),
    ],
)
@pytest.mark.parametrize("size", [1, 3])
async def test_audit_events_come_newest_first(
    store: Store, query: AuditQuery, sequences: list[int], size: int
) -> None:
    """Those that match, each once, whatever the size of a page."""
    await store.do(lambda unit: _each(unit.audit.append, ENTRIES))
    found = await paged(
        lambda before: store.audit.events(query, before, size), lambda it: it.link.sequence
    )
    assert sequences == [event.link.sequence for event in found]


async def test_audit_entries_come_back_as_they_were(store: Store) -> None:
    """Every field, in their order, each with its place in one chain; also from two transactions."""
    for entry in ENTRIES:
        await store.do(lambda unit, entry=entry: unit.audit.append(entry))  # type: ignore[misc]
    chain: list[AuditEvent] = await store.audit.chain(0, 10)
    assert ENTRIES == [event.entry for event in chain]
    assert chain[-1].link == await store.audit.end()
    assert chain[2:] == await store.audit.chain(2, 10)
    assert chain[1:2] == await store.audit.chain(1, 1)


def _each(put: Callable[[T], None], items: Iterable[T]) -> None:
    for item in items:
        put(item)
