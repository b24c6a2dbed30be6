"""Who is let in, and what a handler knows of its caller."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from servicekit.call import Call, current_call
from servicekit.errors import (
    DeadlineExceeded,
    Failure,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from servicekit.identity import Role
from servicekit.interceptors import Edge, access_table
from tests.service.servicekit.echo import (
    ACCESS,
    SERVICE,
    EchoRequest,
    EchoResponse,
    path,
    raw,
    read_to_its_end,
)

OpenHouse = Callable[..., Any]


class Seen:
    """A handler that keeps the call it served."""

    call: Call

    def handler(self) -> Any:
        async def keep(request: Any, context: Any) -> Any:
            self.call = current_call()
            return EchoResponse()

        return keep


async def refusal(awaitable: Any) -> Failure:
    """Returns the failure that was raised."""
    with pytest.raises(Failure) as raised:
        await awaitable
    return raised.value


async def call(house: Any, name: str, **claims: Any) -> Any:
    """Calls a method with a token of these claims."""
    stub = house.stub(anonymous=True)
    return await getattr(stub, name)(EchoRequest(text="hi"), metadata=house.bearer(**claims))


async def test_the_handler_knows_its_caller(open_house: OpenHouse) -> None:
    """Identity, ids, deadline and the header, verified on the first call and remembered after."""
    seen = Seen()
    house = await open_house(Say=seen.handler())
    metadata = (
        *house.bearer(role="admin", sub="user-9"),
        ("x-request-id", "web-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    for _ in range(2):
        await house.stub(anonymous=True).Say(EchoRequest(), metadata=metadata, timeout=5)
        identity = seen.call.caller
        assert (Role.ADMIN, "user-9", "physics") == (identity.role, identity.subject, identity.team)
        assert (path("Say"), "web-1") == (seen.call.method, seen.call.request_id)
        assert seen.call.traceparent == metadata[2][1]
        assert seen.call.authorization == metadata[0][1]
        assert seen.call.deadline is not None
        assert 0 < seen.call.deadline - time.monotonic() < 5.1
        assert seen.call.peer.startswith("ipv4:127.0.0.1:")
    assert 1 == house.issuer.fetches


@pytest.mark.parametrize(("name", "role", "allowed"), [
    ("Say", "user", True),
    ("Say", "admin", True),
    ("Say", "service", False),
    ("Rule", "user", False),
    ("Rule", "admin", True),
    ("Greet", "user", True),
    ("Forgotten", "user", False),
    ("Forgotten", "admin", False),
    ("Forgotten", "service", False),
])  # fmt: skip
async def test_the_contract_decides_who_may_call(
    open_house: OpenHouse, name: str, role: str, allowed: bool
) -> None:
    """The listed roles and nobody else; a method that the contract forgot is closed to all."""
    house = await open_house()
    if allowed:
        assert "hi" == (await call(house, name, role=role)).text
    else:
        failure = await refusal(call(house, name, role=role))
        assert (PermissionDenied, "ROLE_FORBIDDEN") == (type(failure), failure.reason)


async def test_a_stream_is_admitted_like_a_call(open_house: OpenHouse) -> None:
    """Nothing of the handler runs before."""
    house = await open_house()
    stream = house.stub(anonymous=True).Watch(EchoRequest(count=1))
    assert "TOKEN_MISSING" == (await refusal(anext(stream))).reason


@pytest.mark.parametrize(("metadata", "reason"), [
    ((), "TOKEN_MISSING"),
    ((("authorization", "Basic YTpi"),), "TOKEN_MISSING"),
    ((("authorization", "Bearer nonsense"),), "TOKEN_INVALID"),
])  # fmt: skip
async def test_a_missing_or_wrong_token_is_named(
    open_house: OpenHouse, metadata: Any, reason: str
) -> None:
    """UNAUTHENTICATED, with what is wrong."""
    house = await open_house()
    failure = await refusal(house.stub(anonymous=True).Say(EchoRequest(), metadata=metadata))
    assert (Unauthenticated, reason) == (type(failure), failure.reason)


async def test_a_known_token_under_another_scheme_is_not_taken(open_house: OpenHouse) -> None:
    """What was verified before gets no way around the header's form."""
    house = await open_house()
    (_, header), *_ = house.bearer()
    stub = house.stub(anonymous=True)
    await stub.Say(EchoRequest(), metadata=(("authorization", header),))
    other = header.replace("Bearer", "Digest")
    failure = await refusal(stub.Say(EchoRequest(), metadata=(("authorization", other),)))
    assert "TOKEN_MISSING" == failure.reason


async def test_an_expired_token_is_named(open_house: OpenHouse) -> None:
    """So that the client refreshes it."""
    house = await open_house()
    past = int(datetime.now(UTC).timestamp()) - 1
    assert "TOKEN_EXPIRED" == (await refusal(call(house, "Say", exp=past))).reason


async def test_on_a_public_method_no_token_is_looked_at(open_house: OpenHouse) -> None:
    """Logging in works with a token that has expired."""
    seen = Seen()
    house = await open_house(Greet=seen.handler())
    stub = house.stub(anonymous=True)
    await stub.Greet(EchoRequest(), metadata=(("authorization", "Bearer nonsense"),))
    assert seen.call.identity is None
    assert 0 == house.issuer.fetches


async def test_without_a_verifier_only_public_methods_are_open() -> None:
    """Not knowing who calls is no reason to let them in."""
    edge = Edge(access_table([SERVICE], ACCESS), None)
    gate = edge._admission.gate(path("Say"), quiet=True)
    with pytest.raises(Unavailable):
        await gate.admit(Call(path("Say"), authorization="Bearer x"))


async def test_a_call_without_a_deadline_gets_one(open_house: OpenHouse) -> None:
    """The server's cap holds where the caller asks for nothing, or for too much."""
    ended = asyncio.Event()

    async def for_ever(request: Any, context: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house = await open_house(Greet=for_ever, options={"unary_cap": timedelta(milliseconds=100)})
    async with grpc.aio.insecure_channel(house.target) as channel:
        for timeout in (None, 3600):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await raw(channel, "Greet")(b"", timeout=timeout)
            assert grpc.StatusCode.DEADLINE_EXCEEDED is raised.value.code()
            await asyncio.wait_for(ended.wait(), 30)
            ended.clear()


async def test_the_handler_stops_when_the_callers_deadline_passes(open_house: OpenHouse) -> None:
    """No work goes on for a caller that has gone."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def for_ever(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house = await open_house(Say=for_ever)
    stub, seconds = house.stub(), 0.1
    while not begun.is_set():
        assert isinstance(await refusal(stub.Say(EchoRequest(), timeout=seconds)), DeadlineExceeded)
        # Where a call takes longer than that to arrive, there was nothing to stop yet.
        seconds *= 2
    await asyncio.wait_for(ended.wait(), 30)


async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers once, then never again."""
    yield EchoResponse(count=1)
    await asyncio.Event().wait()


async def test_a_stream_ends_when_its_callers_token_does(open_house: OpenHouse) -> None:
    """UNAUTHENTICATED TOKEN_EXPIRED: a token that is over opens nothing and keeps nothing open."""
    begun = asyncio.Event()

    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        begun.set()
        yield EchoResponse()
        await asyncio.Event().wait()

    house = await open_house(Watch=watch)
    seconds = 2
    while not begun.is_set():
        soon = int(datetime.now(UTC).timestamp()) + seconds
        stream = house.stub(anonymous=True).Watch(EchoRequest(), metadata=house.bearer(exp=soon))
        failure = await refusal(asyncio.wait_for(read_to_its_end(stream), 60))
        assert (Unauthenticated, "TOKEN_EXPIRED") == (type(failure), failure.reason)
        assert datetime.now(UTC).timestamp() >= soon
        # Where a call takes longer than that to arrive, it was not let in at all.
        seconds *= 2


async def test_a_stream_has_a_longest_time(open_house: OpenHouse) -> None:
    """DEADLINE_EXCEEDED; its reader resumes."""
    house = await open_house(Watch=endless, options={"stream_cap": timedelta(milliseconds=200)})
    failure = await refusal(read_to_its_end(house.stub().Watch(EchoRequest())))
    assert isinstance(failure, DeadlineExceeded)
    assert "resume" in failure.message


async def test_a_streams_handler_is_closed_when_its_reader_goes(open_house: OpenHouse) -> None:
    """Its `finally` runs at once, so that nothing is held for nobody."""
    closed = asyncio.Event()

    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield EchoResponse(count=1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    house = await open_house(Watch=watch)
    stream = house.stub().Watch(EchoRequest())
    await anext(stream)
    stream.cancel()
    await asyncio.wait_for(closed.wait(), 30)
    assert [] == [answer async for answer in stream]
