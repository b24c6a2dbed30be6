"""Calls over a relay: each is served as if it had come by itself, and none is lost by a drain."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2

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
from servicekit.relay import RELAY, answering, asking, keeping
from tests.service.servicekit.echo import SERVICE, EchoRequest, EchoResponse, EchoStub, path

OpenHouse = Callable[..., Any]
READS = read_only_methods([SERVICE])
PATIENCE_S = 30.0


def token(house: Any, role: str = "service", **claims: Any) -> Callable[[], Awaitable[str]]:
    """Returns a source of tokens of a role."""

    async def source() -> str:
        return str(house.issuer.token(house.issuer.claims(role=role, **claims)))

    return source


async def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def opened(channel: ServiceChannel, after: asking.Stream | None = None) -> asking.Stream:
    """Returns the channel's relay as soon as there is one, or another one than before."""
    await until(lambda: channel.relay.stream not in (None, after))
    assert channel.relay.stream is not None
    return channel.relay.stream


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
        self.count = 0

    async def __call__(self, request: Any, context: Any) -> Any:
        self.arrived.set()
        self.count += 1
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
        for _ in range(int(request.text[5:]) * 5 % 7):
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
    assert ["CallContext"] == [name for name, _ in seen if name == "CallContext"]
    assert "CallContext" == seen[1][0]
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
        for method in (path("Watch"), path("Chat"), RELAY, path("Nothing"), "nonsense"):
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
        seconds = 0.05
        while not held.arrived.is_set():
            with pytest.raises(DeadlineExceeded):
                await ask(channel, house, "Say", "late", seconds=seconds)
            # Where a call takes longer than that to arrive, there was nothing to cancel yet.
            seconds *= 2
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


async def test_a_drain_loses_no_call(open_house: OpenHouse) -> None:
    """What was asked is answered, what is given up is cancelled, and the server ends soon."""
    held, dropped = Held(), Held()
    house = await open_house(Say=held.handler(), Greet=dropped.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        kept = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        given_up = asyncio.ensure_future(ask(channel, house, "Greet", "given up"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        draining = asyncio.create_task(house.server.drain())
        await asyncio.wait_for(stream.closing.wait(), PATIENCE_S)
        assert not stream.takes(b"", ())
        given_up.cancel()
        await asyncio.wait_for(dropped.cancelled.wait(), PATIENCE_S)
        assert not draining.done()
        held.go_on.set()
        assert "kept" == await kept
        await asyncio.wait_for(draining, PATIENCE_S)


async def test_a_stream_is_left_before_its_token_ends(open_house: OpenHouse) -> None:
    """The next one opens while the calls of the last are answered."""
    for seconds in (4, 8, 16, 32):
        if await left_in_time(open_house, seconds):
            return
    pytest.fail("the stream was always left too late")


async def left_in_time(open_house: OpenHouse, seconds: int) -> bool:
    """Whether a stream is left before its token ends, in so many seconds, and its call answered.

    A machine that is busy elsewhere may wake up too late for it.
    """
    held = Held()
    house = await open_house(Say=held.handler())
    channel = house.channel()
    soon = int(time.time()) + seconds
    async with looping({"relay": partial(channel.relay.keep_open, token(house, exp=soon))}):
        first = await opened(channel)
        call = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        await asyncio.wait_for(first.closing.wait(), PATIENCE_S)
        held.go_on.set()
        with suppress(asking.Lost):
            assert "kept" == await call
            return True
    return False


async def test_a_stream_that_is_left_at_once_is_a_failure(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next is not opened before a pause."""
    monkeypatch.setattr(keeping, "LEAST_SECONDS", 3600.0)
    house = await open_house()
    channel = house.channel()
    keeping_open = asyncio.create_task(channel.relay.keep_open(token(house)))
    await opened(channel)
    tell_to_leave(house)
    with pytest.raises(asking.Lost, match="at once"):
        await asyncio.wait_for(keeping_open, PATIENCE_S)


def tell_to_leave(house: Any) -> None:
    """Has the server ask for the end of its relays."""
    for serving in house.edge._streams._open.values():
        serving.leave()


async def test_a_revoked_session_of_the_relays_own_harms_no_call(open_house: OpenHouse) -> None:
    """It lends the calls nothing, so that they may end in peace; the stream is left."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        call = asyncio.ensure_future(ask(channel, house, "Say", "kept"))
        await asyncio.wait_for(held.arrived.wait(), PATIENCE_S)
        house.revocations.close()
        await asyncio.wait_for(stream.closing.wait(), PATIENCE_S)
        held.go_on.set()
        assert "kept" == await call


async def test_a_lost_stream_fails_changes_and_repeats_reads(open_house: OpenHouse) -> None:
    """Nobody knows whether a change was made; what only reads is simply asked again."""
    held = Held()
    house = await open_house(Say=held.handler(), Change=held.handler())
    async with relaying(house, reads=READS) as channel:
        stream = await opened(channel)
        stub = EchoStub(channel)
        change = asyncio.ensure_future(stub.Change(EchoRequest(text="change")))
        read = asyncio.ensure_future(stub.Say(EchoRequest(text="read")))
        await until(lambda: held.count == 2)
        for serving in house.edge._streams._open.values():
            serving.end_by(0)
        with pytest.raises(Unavailable, match="may or may not"):
            await change
        await asyncio.wait_for(held.cancelled.wait(), PATIENCE_S)
        held.go_on.set()
        assert "read" == (await read).text
        assert stream is not await opened(channel, after=stream)


async def test_a_read_is_repeated_while_the_peer_is_unavailable(open_house: OpenHouse) -> None:
    """As every read is, on whatever way it came."""
    tries = 0

    async def flaky(request: Any, context: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise Unavailable("not now")
        return EchoResponse(text=request.text)

    house = await open_house(Say=flaky)
    async with relaying(house, reads=READS) as channel:
        assert "here" == (await EchoStub(channel).Say(EchoRequest(text="here"))).text


async def test_what_nobody_waits_for_is_not_sent(open_house: OpenHouse) -> None:
    """A call whose time passed before it left, as the server read too slowly, is never made."""
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        late = [asyncio.ensure_future(ask(channel, house, "Say", "x", seconds=0)) for _ in range(9)]
        failures = await asyncio.gather(*late, return_exceptions=True)
        assert [DeadlineExceeded] * 9 == [type(it) for it in failures]
        assert "next" == await ask(channel, house, "Greet", "next")
        assert 0 == held.count
        assert stream.takes(b"", ())


async def test_large_calls_go_their_own_way(open_house: OpenHouse) -> None:
    """Others would have to wait behind them; metadata that gRPC would refuse is left to it."""
    ways = []

    async def witness(request: Any, context: Any) -> Any:
        ways.append(type(context).__name__)
        return EchoResponse(text=str(len(request.text)))

    house = await open_house(Say=witness)
    async with relaying(house) as channel:
        for size in (asking.CALL_BYTES - 100, asking.CALL_BYTES + 1):
            answer = await EchoStub(channel).Say(EchoRequest(text="x" * size))
            assert str(size) == answer.text
        stream = await opened(channel)
        assert not stream.takes(b"", (("authorization", "x" * 8193),))
    assert ["CallContext", "_ServicerContext"] == ways


async def test_many_calls_are_split_into_messages_of_bounded_size(open_house: OpenHouse) -> None:
    """One that was too large for gRPC would break the stream for everybody on it."""
    house = await open_house()
    async with relaying(house) as channel:
        metadata = (*house.bearer(), ("x-long", "x" * 6000))
        asked = [ask(channel, house, "Say", str(it), metadata=metadata) for it in range(1000)]
        assert [str(it) for it in range(1000)] == await asyncio.gather(*asked)


async def test_the_open_calls_of_a_stream_are_bounded(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses what is beyond, and the caller's end sends no more than it should."""
    monkeypatch.setattr(answering, "OPEN_CALLS", 1)
    monkeypatch.setattr(asking, "OPEN_CALLS", 2)
    held = Held()
    house = await open_house(Say=held.handler())
    async with relaying(house) as channel:
        stream = await opened(channel)
        first = asyncio.ensure_future(ask(channel, house, "Say", "first"))
        second = asyncio.ensure_future(ask(channel, house, "Say", "second"))
        await asyncio.sleep(0)
        assert not stream.takes(b"", ())
        with pytest.raises(ResourceExhausted) as refused:
            await second
        assert "OVERLOADED" == refused.value.reason
        assert stream.takes(b"", ())
        held.go_on.set()
        assert "first" == await first


async def test_a_third_partys_handler_may_abort(open_house: OpenHouse) -> None:
    """The health service's own, which knows nothing of ours."""
    house = await open_house()
    async with relaying(house) as channel:
        stream = await opened(channel)
        unknown = health_pb2.HealthCheckRequest(service="nobody").SerializeToString()
        with pytest.raises(NotFound):
            await stream.ask("/grpc.health.v1.Health/Check", unknown, PATIENCE_S, ())


def calls(*numbers: int) -> list[RelayedCall]:
    """Returns calls as they stand in a message."""
    seconds = Duration(seconds=60)
    return [RelayedCall(number=it, method=path("Greet"), timeout=seconds) for it in numbers]


async def answered(house: Any, *requests: RelayRequest) -> list[int]:
    """Returns the numbers of what is answered to these messages, sorted."""

    async def sent() -> AsyncIterator[RelayRequest]:
        for request in requests:
            yield request

    own = token(house)
    channel = house.channel(token=own)
    relay = channel.stream_stream(RELAY, RelayRequest.SerializeToString, RelayResponse.FromString)
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


async def test_who_reads_too_slowly_is_not_read_from(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be sent to a caller is bounded, and nothing is lost once it reads on."""
    monkeypatch.setattr(answering, "WAITING_BYTES", 100_000)
    made = 0

    async def much(request: Any, context: Any) -> Any:
        nonlocal made
        made += 1
        return EchoResponse(text="x" * 100_000)

    house = await open_house(Greet=much)
    channel = grpc.aio.insecure_channel(house.target)
    relay: Any = channel.stream_stream(
        RELAY, RelayRequest.SerializeToString, RelayResponse.FromString
    )
    own = (("authorization", f"Bearer {await token(house)()}"),)
    stream = relay(metadata=own)

    async def send() -> None:
        for number in range(300):
            await stream.write(RelayRequest(calls=calls(number)))
        await stream.done_writing()

    sending = asyncio.create_task(send())
    await until(lambda: made > 0)
    before = -1
    while made != before:
        before = made
        await asyncio.sleep(0.1)
    assert made < 200
    numbers = [it.number async for response in stream for it in response.answers]
    await sending
    assert list(range(300)) == sorted(numbers)
    await channel.close()
