"""An API key is exchanged once for many requests, and again when its token has had its time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.api_keys import ApiKeyTokens, api_key_of
from servicekit.clock import ManualClock
from servicekit.errors import Unauthenticated

HOUR = timedelta(hours=1)


class Exchange:
    """Gives another token at each exchange, or refuses."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.refuses = False

    async def __call__(self, key: str, metadata: Any) -> tuple[str, timedelta]:
        self.keys.append(key)
        await asyncio.sleep(0)
        if self.refuses:
            raise Unauthenticated("no such key", reason="API_KEY_INVALID")
        return f"token {len(self.keys)}", HOUR


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def exchange() -> Exchange:
    """What exchanges."""
    return Exchange()


async def test_many_requests_with_one_key_cause_one_exchange(
    clock: ManualClock, exchange: Exchange
) -> None:
    """At the same time and later."""
    tokens = ApiKeyTokens(exchange, clock)
    at_once = await asyncio.gather(*[tokens.token("a") for _ in range(10)])
    assert {"token 1"} == {*at_once, await tokens.token("a")}
    assert "token 2" == await tokens.token("b")
    assert ["a", "b"] == exchange.keys


async def test_a_token_is_renewed_when_half_of_its_time_is_over(
    clock: ManualClock, exchange: Exchange
) -> None:
    """So that none expires on its way."""
    tokens = ApiKeyTokens(exchange, clock)
    await tokens.token("a")
    clock.advance(HOUR / 2)
    assert "token 2" == await tokens.token("a")


async def test_a_refused_token_is_forgotten(clock: ManualClock, exchange: Exchange) -> None:
    """The next request exchanges the key again, and learns of the key's own end."""
    tokens = ApiKeyTokens(exchange, clock)
    assert not tokens.forget("a")
    await tokens.token("a")
    assert tokens.forget("a")
    exchange.refuses = True
    with pytest.raises(Unauthenticated, match="no such key"):
        await tokens.token("a")
    exchange.refuses = False
    assert "token 3" == await tokens.token("a")


async def test_the_memory_is_bounded(clock: ManualClock, exchange: Exchange) -> None:
    """The key that was not used for longest goes."""
    tokens = ApiKeyTokens(exchange, clock, most=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        await tokens.token(key)
    assert ["a", "b", "c", "b"] == exchange.keys


async def test_who_leaves_does_not_stop_the_others(clock: ManualClock, exchange: Exchange) -> None:
    """The exchange is shared, so it belongs to nobody."""
    tokens = ApiKeyTokens(exchange, clock)
    first, second = (asyncio.create_task(tokens.token("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert "token 1" == await second


@pytest.mark.parametrize(("header", "expected"), [
    (None, None),
    (b"Bearer eyJhbGciOi.x.y", None),
    (b"Basic gpuaas_x", None),
    (b"Bearer gpuaas_ab_cd", "gpuaas_ab_cd"),
])  # fmt: skip
def test_a_key_is_known_by_its_prefix(header: bytes | None, expected: str | None) -> None:
    """Everything else goes on to the services as it is."""
    headers = {} if header is None else {b"authorization": header}
    assert expected == api_key_of(headers)
