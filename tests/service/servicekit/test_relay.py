"""Calls over a relay: each is served as if it had come by itself, and none is lost by a drain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from gpuaas.api.v1.relay_service_pb2 import RelayedCall, RelayRequest, RelayResponse
from servicekit.client import ServiceChannel, read_only_methods
from servicekit.errors import (
    DeadlineExceeded,
    Failure,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from servicekit.loops import looping
from servicekit.relay import answering, asking
from tests.service.servicekit.echo import SERVICE, EchoRequest, EchoResponse, EchoStub, path

OpenHouse = Callable[..., Any]
READS = read_only_methods([SERVICE])
PATIENCE_S = 10.0


def token(house: Any, role: str = "service") -> Callable[[], Awaitable[str]]:
    """Returns a source of tokens of a role."""

    async def source() -> str:
        return str(house.issuer.token(house.issuer.claims(role=role)))

    return source


async def opened(channel: ServiceChannel, after: asking.Stream | None = None) -> asking.Stream:
    """Returns the channel's relay as soon as there is one, or another one than before."""
    async with asyncio.timeout(PATIENCE_S):
        while (stream := channel.relay.stream) is None or stream is after:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return stream


@asynccontextmanager
async def relaying(house: Any, **options: Any) -> AsyncIterator[ServiceChannel]:
    """Gives a user's channel whose calls go over a relay."""
    channel = house.channel(**options)
    async with looping({"relay": partial(channel.relay.keep_open, token(house))}):
        await opened(channel)
        yield channel


async def ask(channel: ServiceChannel, house: Any, method: str, text: str, **asked: Any) -> str:
    """Makes one call over the relay and nowhere else."""
    stream = channel.relay.stream
    assert stream is not None
    message = EchoRequest(text=text).SerializeToString()
    seconds = asked.get("seconds", PATIENCE_S)
    metadata = asked.get("metadata", house.bearer())
    answer = await stream.ask(path(method), message, seconds, metadata)
    return str(EchoResponse.FromString(answer).text)


class Held:
    """A handler that holds its calls until it is told to answer."""

    def __init__(self) -> None:
        self.arrived, self.go_on, self.cancelled = (asyncio.Event() for _ in range(3))

    async def __call__(self, request: Any, context: Any) -> Any:
        self.arrived.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return EchoResponse(text=request.text)

    def handler(self) -> Any:
        async def hold(request: Any, context: Any) -> Any:
            return await self(request, context)

        return hold


async def test_each_of_many_calls_gets_its_own_answer(open_house: OpenHouse) -> None:
    """However they overtake each other."""

    async def shuffled(request: Any, context: Any) -> Any:
        for _ in range(hash(request.text) % 7):
            await asyncio.sleep(0)
        return EchoResponse(text=request.text)

    house = await open_house(Say=shuffled)
    async with relaying(house) as channel:
        texts = [f"call {number}" for number in range(500)]
        assert texts == await asyncio.gather(*(ask(channel, house, "Say", it) for it in texts))


async def test_stubs_use_the_relay_while_there_is_one(open_house: OpenHouse) -> None:
    """The handler sees the stream's connection, and the caller's own token and ids."""
    seen = []

    async def witness(request: Any, context: Any) -> Any:
        seen.append((type(context).__name__, dict(context.invocation_metadata())))
        return EchoResponse(text=request.text)

    house = await open_house(Say=witness)
    channel = house.channel()
    assert "alone" == (await EchoStub(channel).Say(EchoRequest(text="alone"))).text
    async with looping({"relay": partial(channel.relay.keep_open, token(house))}):
        await opened(channel)
        assert "relayed" == (await EchoStub(channel).Say(EchoRequest(text="relayed"))).text
    assert "alone again" == (await EchoStub(channel).Say(EchoRequest(text="alone again"))).text
    assert ["_CallContext"] == [name for name, _ in seen if name == "_CallContext"]
    assert "_CallContext" == seen[1][0]
    assert {"authorization", "x-request-id", "traceparent"} <= set(seen[1][1])


async def test_the_calls_own_token_counts(open_house: OpenHouse) -> None:
    """That a service opened the stream helps nobody on it."""
    house = await open_house()
    async with relaying(house) as channel:
        with pytest.raises(PermissionDenied) as forbidden:
            await ask(channel, house, "Rule", "mine")
        assert "ROLE_FORBIDDEN" == forbidden.value.reason
        with pytest.raises(Unauthenticated) as unknown:
            await ask(channel, house, "Say", "mine", metadata=())
        assert "TOKEN_MISSING" == unknown.value.reason
        assert "hers" == await ask(
            channel, house, "Rule", "hers", metadata=house.bearer(role="admin")
        )


async def test_only_services_open_relays(open_house: OpenHouse) -> None:
    """Users make calls of their own."""
    house = await open_house()
    for role in ("user", "admin"):
        with pytest.raises(PermissionDenied):
            await house.channel().relay.keep_open(token(house, role))


async def test_a_refusal_keeps_its_facts(open_house: OpenHouse) -> None:
    """Reason and metadata as over a call of its own."""

    async def refuse(request: Any, context: Any) -> Any:
        raise NotFound("no such job", reason="JOB_NOT_FOUND", metadata={"job_id": request.text})

    house = await open_house(Say=refuse)
    async with relaying(house) as channel:
        with pytest.raises(NotFound) as refused:
            await ask(channel, house, "Say", "job-7")
    failure = refused.value
    assert ("no such job", "JOB_NOT_FOUND", {"job_id": "job-7"}) == (
        failure.message,
        failure.reason,
        dict(failure.metadata),
    )


async def test_what_cannot_be_relayed_is_refused(open_house: OpenHouse) -> None:
    """Streams, the relay itself, unknown methods, and bytes that are no message."""
    house = await open_house()
    async with relaying(house) as channel:
        stream = await opened(channel)
        for method in (path("Watch"), path("Chat"), asking.METHOD, path("Nothing"), "nonsense"):
            with pytest.raises(Unimplemented):
                await stream.ask(method, b"", PATIENCE_S, house.bearer())
        with pytest.raises(InvalidArgument) as garbage:
            await stream.ask(path("Say"), b"\xff\xff", PATIENCE_S, house.bearer())
        assert "MESSAGE_MALFORMED" == garbage.value.reason


async def test_a_call_ends_with_its_time(open_house: OpenHouse) -> None:
    """On both sides: the caller hears of it, and the handler is cancelled."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        with pytest.raises(DeadlineExceeded):
            await ask(channel, house, "Say", "late", seconds=0.05)
        await asyncio.wait_for(held.cancelled.wait(), PATIENCE_S)


async def test_a_call_that_its_caller_gave_up_is_cancelled(open_house: OpenHouse) -> None:
    """As a call of its own would be."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        call = asyncio.ensure_future(ask(channel, house, "Say", "never mind"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        call.cancel()
        await asyncio.wait_for(held.cancelled.wait(), PATIENCE_S)
        held.go_on.set()
        assert "next" == await ask(channel, house, "Say", "next")


async def test_a_drain_loses_no_call(open_house: OpenHouse) -> None:
    """What was asked is answered; what is asked then goes its own way; the server ends soon."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        call = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        draining = asyncio.create_task(house.server.drain())
        await asyncio.wait_for(stream.left.wait(), PATIENCE_S)
        assert not stream.takes(b"")
        assert "alone" == (await EchoStub(channel).Greet(EchoRequest(text="alone"))).text
        assert not draining.done()
        held.go_on.set()
        assert "kept" == await call
        await asyncio.wait_for(draining, PATIENCE_S)


async def test_a_stream_is_left_before_its_token_ends(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one opens while the calls of the last are answered."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        first = await opened(channel)
        call = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        for stream in house.server._relay._streams:
            stream.leave()
        second = await opened(channel, after=first)
        assert second is not first
        held.go_on.set()
        assert "kept" == await call


async def test_the_time_to_leave_follows_from_the_token(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream whose token is good for less than the longest call is left at once."""
    house = await open_house()
    channel = house.channel()
    monkeypatch.setattr(answering, "LEAVE_SECONDS", 1e6)
    with pytest.raises(asking.Lost, match="at once"):
        await channel.relay.keep_open(token(house))


async def test_a_lost_stream_fails_changes_and_repeats_reads(open_house: OpenHouse) -> None:
    """Nobody knows whether a change was made; what only reads is simply asked again."""
    held = Held()
    house = await open_house(Say=held.handler(), Change=held.handler())
    async with relaying(house, reads=READS) as channel:
        stream = await opened(channel)
        stub = EchoStub(channel)
        change = asyncio.ensure_future(stub.Change(EchoRequest(text="change")))
        read = asyncio.ensure_future(stub.Say(EchoRequest(text="read")))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        break_off(stream)
        with pytest.raises(Unavailable):
            await change
        held.go_on.set()
        assert "read" == (await read).text
        assert stream is not await opened(channel, after=stream)


async def test_large_messages_go_their_own_way(open_house: OpenHouse) -> None:
    """Others would have to wait behind them; there and back."""
    house = await open_house()
    async with relaying(house) as channel:
        text = "x" * (asking.CALL_BYTES + 1)
        assert text == (await EchoStub(channel).Say(EchoRequest(text=text))).text


async def test_an_answer_too_large_for_a_message_is_refused(open_house: OpenHouse) -> None:
    """And harms none of its neighbours."""

    async def much(request: Any, context: Any) -> Any:
        return EchoResponse(text="x" * (5 * 1024 * 1024))

    house = await open_house(Say=much)
    async with relaying(house) as channel:
        large = asyncio.ensure_future(ask(channel, house, "Say", "much"))
        assert "little" == await ask(channel, house, "Greet", "little")
        with pytest.raises(ResourceExhausted):
            await large


async def test_the_open_calls_of_a_stream_are_bounded(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses more than it allows, and the caller's end sends no more than it should."""
    monkeypatch.setattr(answering, "OPEN_CALLS", 1)
    monkeypatch.setattr(asking, "OPEN_CALLS", 2)
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        first = asyncio.ensure_future(ask(channel, house, "Say", "first"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        with pytest.raises(ResourceExhausted) as refused:
            await ask(channel, house, "Greet", "second")
        assert "OVERLOADED" == refused.value.reason
        others = [asyncio.ensure_future(ask(channel, house, "Say", "more")) for _ in range(2)]
        await asyncio.sleep(0)
        assert not stream.takes(b"")
        held.go_on.set()
        assert "first" == await first
        await asyncio.gather(*others, return_exceptions=True)


def calls(*numbers: int) -> list[RelayedCall]:
    """Returns calls as they stand in a message."""
    seconds = Duration(seconds=5)
    return [RelayedCall(number=it, method=path("Greet"), timeout=seconds) for it in numbers]


def break_off(stream: asking.Stream) -> None:
    """Has the server end a stream with an error."""
    stream._calls.extend(calls(7, 7))
    stream._wake.set()


async def answered(house: Any, *requests: RelayRequest) -> list[int]:
    """Returns the numbers of what is answered to these messages, sorted."""

    async def sent() -> AsyncIterator[RelayRequest]:
        for request in requests:
            yield request

    own = token(house)
    channel = house.channel(token=own)
    relay = channel.stream_stream(
        asking.METHOD, RelayRequest.SerializeToString, RelayResponse.FromString
    )
    return sorted([it.number async for response in relay(sent()) for it in response.answers])


async def test_a_call_cancelled_before_it_began_leaves_nothing(open_house: OpenHouse) -> None:
    """The stream ends without it; a number that is not known is passed over."""
    house = await open_house()
    assert [2] == await answered(house, RelayRequest(calls=calls(1, 2), cancelled=[1, 99]))


async def test_a_number_is_used_once(open_house: OpenHouse) -> None:
    """Its answers could not be told apart."""
    house = await open_house()
    with pytest.raises(Failure) as refused:
        await answered(house, RelayRequest(calls=calls(1, 1)))
    assert isinstance(refused.value, InvalidArgument)
    assert "FIELD_INVALID" == refused.value.reason
