"""How relays and their calls end: late, given up, left, lost; and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import prometheus_client
import pytest

from gpuaas.api.v1.relay_service_pb2 import RelayRequest, RelayResponse
from servicekit.errors import DeadlineExceeded, Unauthenticated, Unavailable
from servicekit.relay import RELAY, asking, sending
from tests.service.servicekit.echo import EchoRequest, EchoResponse, EchoStub, path
from tests.service.servicekit.test_relay import (
    PATIENCE_S,
    READS,
    Held,
    ask,
    calls,
    opened,
    relaying,
    tell_to_leave,
    token,
    until,
)

OpenHouse = Callable[..., Any]


def counted(code: str) -> float:
    """How many calls of Say have ended with this code."""
    labels = {"method": path("Say"), "code": code}
    name = "gpuaas_rpc_duration_seconds_count"
    return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0


async def late_call(channel: Any, house: Any, held: Held) -> float:
    """Makes a call that is being served when its time is over; returns the seconds it had."""
    seconds = 0.05
    while not held.arrived.is_set():
        with pytest.raises(DeadlineExceeded):
            await ask(channel, house, "Say", "late", seconds=seconds)
        seconds *= 2
    return seconds


async def test_a_late_call_is_told_from_one_that_was_given_up(open_house: OpenHouse) -> None:
    """In log and metrics, as for calls of their own: DEADLINE_EXCEEDED and CANCELLED."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        late, given_up = counted("DEADLINE_EXCEEDED"), counted("CANCELLED")
        await late_call(channel, house, held)
        await until(lambda: counted("DEADLINE_EXCEEDED") > late)
        assert given_up == counted("CANCELLED")
        late = counted("DEADLINE_EXCEEDED")
        before = held.count
        call = asyncio.ensure_future(ask(channel, house, "Say", "given up"))
        await until(lambda: held.count > before)
        call.cancel()
        await until(lambda: counted("CANCELLED") > given_up)
        assert late == counted("DEADLINE_EXCEEDED")


async def test_an_answered_call_leaves_no_timer(open_house: OpenHouse) -> None:
    """It would strike when nobody knows the call any more."""
    defects: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, defect: defects.append(defect))
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        seconds = 0.0
        while not seconds:
            try:
                await ask(channel, house, "Greet", "soon", seconds=0.5)
                seconds = 0.6
            except DeadlineExceeded:
                continue
        with pytest.raises(DeadlineExceeded):
            await ask(channel, house, "Say", "later than that", seconds=seconds)
    assert [] == defects


async def test_a_stream_that_was_left_ends_once_all_is_answered(open_house: OpenHouse) -> None:
    """Its caller closes its side, or the server would keep it for the rest of its time."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        [first] = house.edge._streams._open.values()
        call = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        stream = await opened(channel)
        tell_to_leave(house)
        await opened(channel, after=stream)
        assert any(first is it for it in house.edge._streams._open.values())
        held.go_on.set()
        assert "kept" == await call
        await until(lambda: all(first is not it for it in house.edge._streams._open.values()))


async def test_a_stream_ends_with_a_call_that_was_slow_to_stop(open_house: OpenHouse) -> None:
    """Nothing is answered to what was given up, and yet the server sees that it was the last."""
    held, go_on = Held(), asyncio.Event()

    async def slow_to_stop(request: Any, context: Any) -> Any:
        try:
            return await held(request, context)
        finally:
            await go_on.wait()

    async def sent() -> AsyncIterator[RelayRequest]:
        yield RelayRequest(calls=calls(1))
        await held.arrived.wait()
        yield RelayRequest(cancelled=[1])

    house = await open_house(Greet=slow_to_stop)
    channel = house.channel(token=token(house))
    relay = channel.stream_stream(RELAY, RelayRequest.SerializeToString, RelayResponse.FromString)
    stream = relay(sent())
    assert RelayResponse() == await anext(stream)
    ended = asyncio.ensure_future(anext(stream, None))
    await asyncio.wait_for(held.cancelled.wait(), PATIENCE_S)
    go_on.set()
    assert None is await asyncio.wait_for(ended, PATIENCE_S)


async def test_whoever_ends_a_relay_ends_its_streams(open_house: OpenHouse) -> None:
    """Its calls with them: nobody reads their answers any more."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        call = asyncio.ensure_future(ask(channel, house, "Say", "lost"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
    await asyncio.wait_for(held.cancelled.wait(), PATIENCE_S)
    with pytest.raises(Unavailable, match="may or may not"):
        await call


async def test_a_stream_that_cannot_be_written_to_is_lost(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it could still be read from; what was open on it fails, and the next one opens."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        first = asyncio.ensure_future(ask(channel, house, "Say", "open"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        with monkeypatch.context() as broken:
            broken.setattr(asking, "together", _broken)
            second = asyncio.ensure_future(ask(channel, house, "Say", "not even sent"))
            for call in (first, second):
                with pytest.raises(asking.Lost):
                    await asyncio.wait_for(call, PATIENCE_S)
        assert stream is not await opened(channel, after=stream)
        assert "next" == await ask(channel, house, "Greet", "next")


def _broken(*_: Any) -> Any:
    raise RuntimeError("nothing goes out")


async def test_a_repeated_read_has_the_time_that_is_left(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller waits no longer for it than for one that was answered at once."""
    left: list[float] = []

    async def away_at_first(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        if len(left) == 1:
            raise Unavailable("not now")
        return EchoResponse(text=request.text)

    times = iter((100.0, 130.0))
    house = await open_house(Say=away_at_first)
    async with relaying(house, reads=READS, cap=timedelta(minutes=1)) as channel:
        monkeypatch.setattr(sending, "monotonic", lambda: next(times))
        await EchoStub(channel).Say(EchoRequest())
    assert left[0] > 30
    # On the wire a deadline is rounded up by as much as two percent.
    assert left[1] <= 30 * 1.02


async def test_a_refused_token_is_heard_of(open_house: OpenHouse) -> None:
    """Also over a relay: whoever holds it gets another one."""
    heard: list[bool] = []

    async def nonsense() -> str:
        return "nonsense"

    house = await open_house()
    refused = {"token": nonsense, "on_refused": lambda: heard.append(True)}
    async with relaying(house, **refused) as channel:
        with pytest.raises(Unauthenticated):
            await EchoStub(channel).Say(EchoRequest())
    assert [True] == heard


async def test_a_gauge_says_whether_there_is_a_relay(open_house: OpenHouse) -> None:
    """To each server."""
    house = await open_house()

    def shown() -> float | None:
        labels = {"target": house.target}
        return prometheus_client.REGISTRY.get_sample_value("gpuaas_relay_open", labels)

    async with relaying(house):
        assert 1 == shown()
    assert 0 == shown()
