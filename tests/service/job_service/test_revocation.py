"""A user whose sessions were ended is out, open watches included, until they sign in again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servicekit.clock import ManualClock
from servicekit.errors import Failure, Unavailable
from tests.service.job_service.conftest import House, Open


async def refused(house: House, by: str) -> str:
    """Calls until the user is refused, and returns the reason; TimeoutError if never."""
    async with asyncio.timeout(30):
        while True:
            try:
                await house.listed(by)
            except Failure as failure:
                return failure.reason
            await asyncio.sleep(0)


async def end_of(stream: Any) -> str:
    """Reads a stream to its end, and returns the reason of it."""
    with pytest.raises(Failure) as ended:
        await asyncio.wait_for(_read_all(stream), 30)
    return ended.value.reason


async def _read_all(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_an_ended_user_is_refused_and_the_open_watch_closed(house: House) -> None:
    """The news travels by auth_service's stream; another user's watch stays open."""
    await house.submit("ada")
    adas, bobs = house.watch("ada"), house.watch("bob")
    for stream in (adas, bobs):
        await anext(stream)
    await house.identities.revoke("ada")
    assert "TOKEN_REVOKED" == await end_of(adas)
    assert "TOKEN_REVOKED" == await refused(house, "ada")
    await house.submit("bob")
    assert await anext(bobs)
    bobs.cancel()


async def test_without_the_issuer_nobody_is_let_in(open_house: Open) -> None:
    """What cannot be known is not assumed: UNAVAILABLE, and not a guess."""
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock, auth_target="127.0.0.1:1") as house:
        clock.advance(timedelta(minutes=1))
        with pytest.raises(Unavailable):
            await house.submit("ada")
