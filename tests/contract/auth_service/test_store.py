"""What the repositories promise, whatever is behind them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from auth_service.application.ports import UnitOfWork
from auth_service.domain.errors import UsernameTaken
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.errors import Aborted
from servicekit.values import replace
from tests.contract.auth_service.conftest import Do, Store

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)

ADA = User(
    id="u1",
    username="Ada",
    password_hash="$2b$04$x",
    role=Role.ADMIN,
    created_at=NOW,
    updated_at=NOW + timedelta(microseconds=1),
    email="ada@example.org",
    team="engines",
    disabled=True,
    password_change_required=True,
    last_login_at=NOW + timedelta(days=1),
)

BOB = User("u2", "bob", "h", Role.USER, NOW, NOW)


async def add(store: Store, *users: User) -> None:
    """Adds users, each in a command of its own."""
    for user in users:
        await store.changes.execute(Do(partial(_add, user)))


async def test_a_user_comes_back_as_it_was(store: Store) -> None:
    """Every field survives, by every way to ask, in a later transaction and for readers."""
    await add(store, ADA, BOB)
    ways: list[Callable[[UnitOfWork], Any]] = [
        lambda unit: unit.users.get("u1"),
        lambda unit: unit.users.named("ada"),
        lambda unit: unit.users.with_email("ada@example.org"),
    ]
    assert [ADA] * 3 == [await store.changes.execute(Do(way)) for way in ways]
    assert ADA == await store.directory.get("u1")
    assert ADA == await store.directory.named("ada")


async def test_nobody_is_nobody(store: Store) -> None:
    """Unknown keys answer None; keys are compared as they are."""
    await add(store, ADA)
    ways: list[Callable[[UnitOfWork], Any]] = [
        lambda unit: unit.users.get("u2"),
        lambda unit: unit.users.named("Ada"),
        lambda unit: unit.users.with_email(""),
    ]
    assert [None] * 3 == [await store.changes.execute(Do(way)) for way in ways]
    assert await store.directory.get("u2") is None
    assert await store.directory.named("Ada") is None


async def test_a_user_added_is_seen_within_the_same_command(store: Store) -> None:
    """A command sees what it wrote, by every way to ask."""

    def work(unit: UnitOfWork) -> list[User | None]:
        unit.users.add(ADA)
        users = unit.users
        return [users.get("u1"), users.named("ada"), users.with_email("ada@example.org")]

    assert [ADA] * 3 == await store.changes.execute(Do(work))


async def test_a_replaced_user_has_its_new_keys(store: Store) -> None:
    """A changed role, name or address is found, the old one is not."""
    await add(store, ADA, BOB)
    assert await store.directory.has_admin()
    changed = replace(ADA, username="Lovelace", email="", role=Role.USER, team="ships")
    await store.changes.execute(Do(lambda unit: unit.users.replace(changed)))
    assert changed == await store.directory.named("lovelace")
    assert await store.directory.named("ada") is None
    assert not await store.directory.has_admin()
    assert not await store.changes.execute(Do(lambda unit: unit.users.has_admin()))


@pytest.mark.parametrize(
    "twin",
    [
        replace(BOB, id="u3", username="ADA"),
        replace(BOB, id="u3", email="ADA@example.org"),
        replace(BOB, id="u1"),
    ],
    ids=["name", "address", "id"],
)
async def test_a_second_user_of_the_same_key_is_refused(store: Store, twin: User) -> None:
    """Also where nobody looked first: the store has the last word."""
    await add(store, ADA)
    with pytest.raises(Aborted):
        await add(store, twin)
    assert ADA == await store.directory.get("u1")
    assert await store.directory.named("bob") is None


async def test_a_refused_command_leaves_nothing(store: Store) -> None:
    """Neither user nor event is stored when the command raises in the end."""

    def work(unit: UnitOfWork) -> None:
        unit.users.add(ADA)
        unit.events.append(UserRegistered("u1", "Ada", Role.ADMIN, NOW))
        raise UsernameTaken("Ada")

    with pytest.raises(UsernameTaken):
        await store.changes.execute(Do(work))
    assert await store.directory.get("u1") is None
    assert store.log is None or 0 == store.log.head


async def test_neighbours_see_each_other(store: Store) -> None:
    """Commands that wait together run one after the other: one of ten gets the name."""

    def claim(user: User, unit: UnitOfWork) -> str:
        if unit.users.named(user.username_key):
            raise UsernameTaken(user.username)
        unit.users.add(user)
        return user.id

    users = [replace(BOB, id=f"u{number}") for number in range(10)]
    commands = [Do(partial(claim, user)) for user in users]
    answers = await asyncio.gather(
        *(store.changes.execute(command) for command in commands), return_exceptions=True
    )
    [winner] = [answer for answer in answers if isinstance(answer, str)]
    assert 9 == sum(isinstance(answer, UsernameTaken) for answer in answers)
    found = await store.directory.named("bob")
    assert found is not None
    assert winner == found.id


async def test_an_active_admin_besides_is_found(store: Store) -> None:
    """Neither the user itself, nor a disabled admin, nor anybody else counts."""
    await add(store, ADA, BOB)
    assert not await store.do(lambda unit: unit.users.has_active_admin_besides("u2"))
    await store.do(lambda unit: unit.users.replace(replace(ADA, disabled=False)))
    assert await store.do(lambda unit: unit.users.has_active_admin_besides("u2"))
    assert not await store.do(lambda unit: unit.users.has_active_admin_besides("u1"))


async def test_keys_that_users_have_are_found_at_once(store: Store) -> None:
    """Names and addresses, many in one question; nobody has the others."""
    await add(store, ADA, BOB)
    names = ["ada", "bob", *(f"nobody{number}" for number in range(600))]
    taken = await store.do(lambda unit: unit.users.taken(names, ["ada@example.org", "x@y"]))
    assert {"ada", "bob", "ada@example.org"} == taken
    assert set() == await store.do(lambda unit: unit.users.taken([], []))


async def test_an_event_stands_in_the_log(store: Store) -> None:
    """With the kind, the subject, the time and the facts, and without any secret."""
    event = UserRegistered("u1", "Ada", Role.ADMIN, NOW)
    await store.changes.execute(Do(lambda unit: unit.events.append(event)))
    if store.log is None:
        return
    [recorded] = await store.log.read(0)
    assert ("user.registered", "u1") == (recorded.kind, recorded.subject)
    assert (
        b'{"user_id":"u1","username":"Ada","role":"admin","at":"2026-03-01T12:30:15.123456Z"}'
        == recorded.payload
    )


def _add(user: User, unit: UnitOfWork) -> None:
    unit.users.add(user)
