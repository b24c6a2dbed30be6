"""Changes that are made while the caller is told that time ran out, for tests of every service.

The change is on disk, its answer is held up, the caller gives up and repeats the request with its
id: nothing may be there twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from servicekit import failpoints
from servicekit.client import read_only_methods
from servicekit.database import Database
from servicekit.errors import Unauthenticated

PATIENCE_S = 20.0

Rows: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""What a database holds, by table."""


def writes(services: Iterable[ServiceDescriptor]) -> dict[str, MethodDescriptor]:
    """The methods that may change something, as the contract says of each, by their names."""
    services = list(services)
    reads = read_only_methods(services)
    methods = [method for service in services for method in service.methods]
    return {method.name: method for method in methods if path_of(method) not in reads}


def path_of(method: MethodDescriptor) -> str:
    """The method as gRPC names it."""
    assert method.containing_service is not None
    return f"/{method.containing_service.full_name}/{method.name}"


async def made_once(
    call: Callable[[], Awaitable[Any]], command: str, stored: Callable[[], Awaitable[Any]]
) -> list[Any]:
    """Makes a call that looks timed out, then repeats it twice; what the repeats are answered.

    They are answered alike, but for those that a change of the caller's own session lets in no
    longer, and leave what is stored as it is. ``command`` is what the call has executed, whose
    answer is held up.
    """
    before = await stored()
    # As long as it takes: the answer is let go below, once the change is seen.
    failpoints.configure(f"{command}.after_commit=delay(60000)*1")
    first = asyncio.ensure_future(call())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while before == await stored():
                assert not first.done()
    finally:
        first.cancel()
        failpoints.configure("")
    with pytest.raises(asyncio.CancelledError):
        await first
    after = await stored()
    answers = [answer for _ in range(2) for answer in await _answers(call)]
    assert answers == answers[:1] * len(answers)
    assert after == await stored()
    return answers


async def rows(database: Database, tables: Iterable[sa.Table]) -> Rows:
    """All rows of these tables."""

    def read(connection: sa.Connection) -> Rows:
        return {
            table.name: [tuple(row) for row in connection.execute(table.select())]
            for table in tables
        }

    return await database.read(read)


async def _answers(call: Callable[[], Awaitable[Any]]) -> list[Any]:
    """The answer, or none when the session that the call is made in was ended."""
    try:
        return [await call()]
    except Unauthenticated as refused:
        if refused.reason != "TOKEN_REVOKED":
            raise
        return []
