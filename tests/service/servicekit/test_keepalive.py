"""A peer that freezes is noticed, and a stream that is merely idle is left alone."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from servicekit.client import CHANNEL_OPTIONS, connect
from servicekit.errors import Unavailable
from servicekit.server import SERVER_OPTIONS
from tests.service.servicekit.echo import (
    EchoRequest,
    EchoResponse,
    EchoServicer,
    EchoStub,
    read_to_its_end,
    register,
)
from tests.service.servicekit.test_server import echo_process, port_of

OpenHouse = Callable[..., Any]
NOTICE = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")


async def test_a_frozen_server_is_noticed() -> None:
    """By an open stream on which nothing is due; here after 0.5 + 0.5 s.

    Without the ping's own timeout it would take a minute.
    """
    quick = tuple((name, 500) for name in NOTICE)
    async with (
        echo_process() as process,
        connect(f"127.0.0.1:{await port_of(process)}", options=quick) as channel,
    ):
        stream = await open_watch(EchoStub(channel))
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(anext(stream), 30)


async def open_watch(stub: Any) -> Any:
    """Opens a watch of a server that may be too slow at first to answer such pings in time."""
    while True:
        stream = stub.Watch(EchoRequest())
        with suppress(Unavailable):
            await anext(stream)
            return stream


async def test_a_peer_that_is_slow_to_take_up_a_connection_is_waited_for() -> None:
    """As on a busy machine: the call is answered late, and not refused after half a second."""
    async with (
        echo_process() as process,
        connect(f"127.0.0.1:{await port_of(process)}") as channel,
    ):
        stub: Any = EchoStub(channel)
        process.send_signal(signal.SIGSTOP)
        call = asyncio.ensure_future(stub.Change(EchoRequest(text="hi")))
        done, _ = await asyncio.wait({call}, timeout=1.5)
        assert set() == done
        process.send_signal(signal.SIGCONT)
        assert "hi" == (await call).text


def test_the_settings_notice_a_frozen_peer_within_10_seconds() -> None:
    """All three are set: without the ping's own timeout it takes 60 seconds."""
    options = dict(CHANNEL_OPTIONS)
    interval, timeout, ping = (options[name] for name in NOTICE)
    assert interval + max(timeout, ping) <= 10_000
    assert set(NOTICE) <= dict(SERVER_OPTIONS).keys()


async def test_an_idle_stream_survives_its_clients_pings(open_house: OpenHouse) -> None:
    """A server without our settings has killed such a stream while ours still delivers."""
    wake = asyncio.Event()

    async def idle(request: Any, context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(count=1)
        await wake.wait()
        yield EchoResponse(count=2)

    bare = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    register(EchoServicer(Watch=idle), bare)
    port = bare.add_insecure_port("127.0.0.1:0")
    await bare.start()
    pings = (("grpc.keepalive_time_ms", 100), ("grpc.http2.min_time_between_pings_ms", 100))
    lenient = (("grpc.http2.min_ping_interval_without_data_ms", 10),)
    house = await open_house({"options": lenient}, Watch=idle)
    ours = house.stub(options=pings).Watch(EchoRequest())
    async with connect(f"127.0.0.1:{port}", options=pings) as channel:
        stub: Any = EchoStub(channel)
        theirs = stub.Watch(EchoRequest())
        assert 1 == (await anext(ours)).count
        with pytest.raises(Unavailable, match="Too many pings"):
            await asyncio.wait_for(read_to_its_end(theirs), 30)
    wake.set()
    assert 2 == (await asyncio.wait_for(anext(ours), 30)).count
    await bare.stop(None)


def test_the_server_allows_the_pings_that_our_clients_send() -> None:
    """Their interval is not below the server's least, with calls and without."""
    options = dict(SERVER_OPTIONS)
    interval = dict(CHANNEL_OPTIONS)["grpc.keepalive_time_ms"]
    assert options["grpc.http2.min_ping_interval_without_data_ms"] <= interval
    assert 1 == options["grpc.keepalive_permit_without_calls"]
