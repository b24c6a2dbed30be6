"""What a channel does for its caller: deadlines, retries of reads, metadata, typed failures."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from servicekit import failpoints
from servicekit.call import Call, current_call, serving
from servicekit.client import connect, read_only_methods
from servicekit.errors import DeadlineExceeded, NotFound, Unavailable
from tests.service.servicekit.echo import (
    SERVICE,
    EchoRequest,
    EchoResponse,
    path,
    raw,
    read_to_its_end,
)

OpenHouse = Callable[..., Any]
READS = read_only_methods([SERVICE])
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def failpoints_off() -> Iterator[None]:
    """No test leaves a failpoint on."""
    yield
    failpoints.configure("")


def outer(**facts: Any) -> Call:
    """A call being served, in which another service is called."""
    return Call("/a.B/C", request_id="r-1", traceparent=TRACE, **facts)


class Flaky:
    """Is away the first times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def handler(self) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            self.calls += 1
            if self.calls <= self.failures:
                raise Unavailable("not now")
            return EchoResponse(text="here")

        return answer


def test_the_contract_says_what_only_reads() -> None:
    """And the client retries nothing else."""
    assert path("Say") in READS
    assert path("Change") not in READS


async def test_a_read_is_repeated_until_the_peer_is_back(open_house: OpenHouse) -> None:
    """The caller does not notice."""
    flaky = Flaky(2)
    house = await open_house(Say=flaky.handler())
    assert "here" == (await house.stub(reads=READS).Say(EchoRequest())).text
    assert 3 == flaky.calls


async def test_a_read_is_not_repeated_for_ever(open_house: OpenHouse) -> None:
    """Five attempts; then the failure is the caller's."""
    flaky = Flaky(100)
    house = await open_house(Say=flaky.handler())
    with pytest.raises(Unavailable, match="not now"):
        await house.stub(reads=READS).Say(EchoRequest())
    assert 5 == flaky.calls


async def test_a_change_is_never_repeated(open_house: OpenHouse) -> None:
    """Whether it was made is not known here; that is what its request id is for."""
    flaky = Flaky(1)
    house = await open_house(Change=flaky.handler())
    with pytest.raises(Unavailable):
        await house.stub(reads=READS).Change(EchoRequest())
    assert 1 == flaky.calls


async def test_a_refused_read_is_not_repeated(open_house: OpenHouse) -> None:
    """Only UNAVAILABLE may be otherwise a moment later."""
    calls = []

    async def refuse(request: Any, context: Any) -> Any:
        calls.append(request)
        raise NotFound("no such thing")

    house = await open_house(Say=refuse)
    with pytest.raises(NotFound):
        await house.stub(reads=READS).Say(EchoRequest())
    assert 1 == len(calls)


async def remaining_of(request: Any, context: Any) -> Any:
    """Answers with the milliseconds that the call has left, as the handler sees it."""
    deadline = current_call().deadline
    assert deadline is not None
    return EchoResponse(count=int((deadline - time.monotonic()) * 1000))


@pytest.mark.parametrize(("left", "asked", "expected"), [
    (None, None, 10_000),
    (None, 8.0, 8_000),
    (None, 99.0, 10_000),
    (9.0, None, 9_000),
    (9.0, 99.0, 9_000),
    (9.0, 8.0, 8_000),
    (99.0, None, 10_000),
])  # fmt: skip
async def test_a_call_has_the_least_of_all_deadlines(
    open_house: OpenHouse, left: float | None, asked: float | None, expected: int
) -> None:
    """What the served call has left, what the caller asks for, and the channel's cap."""
    house = await open_house(Say=remaining_of)
    began = time.monotonic()
    deadline = None if left is None else began + left
    with serving(outer(deadline=deadline)):
        answer = await house.stub().Say(EchoRequest(), timeout=asked)
    took = (time.monotonic() - began) * 1000
    # On the wire a deadline is rounded up by as much as two percent.
    assert expected - took - 1 <= answer.count <= expected * 1.02


async def test_grpc_itself_passes_no_deadline_on(open_house: OpenHouse) -> None:
    """The trap: a nested call over a bare channel outlives the call it was made for."""
    seen: list[float | None] = []

    async def inner(request: Any, context: Any) -> Any:
        seen.append(context.time_remaining())
        return EchoResponse()

    async def middle(request: Any, context: Any) -> Any:
        await raw(bare, "Greet")(b"")
        await raw(wrapped, "Greet")(b"")
        return EchoResponse()

    house = await open_house(Say=middle, Greet=inner)
    bare, wrapped = grpc.aio.insecure_channel(house.target), house.channel(anonymous=True)
    await house.stub().Say(EchoRequest(), timeout=5)
    await bare.close()
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] < 5.1


async def test_without_time_left_nothing_is_sent(open_house: OpenHouse) -> None:
    """The peer is spared work that nobody waits for."""
    flaky = Flaky(0)
    house = await open_house(Say=flaky.handler())
    with serving(outer(deadline=time.monotonic() - 1)), pytest.raises(DeadlineExceeded):
        await house.stub().Say(EchoRequest())
    assert 0 == flaky.calls


async def test_a_stream_has_a_deadline_too(open_house: OpenHouse) -> None:
    """None is open without one."""

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(count=1)
        await asyncio.Event().wait()

    house = await open_house(Watch=endless)
    stream = house.stub(stream_cap=timedelta(milliseconds=300)).Watch(EchoRequest())
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(read_to_its_end(stream), 30)


async def test_a_peer_that_is_not_there_is_unavailable() -> None:
    """At once, not at the deadline."""
    async with connect("127.0.0.1:1") as channel:
        with pytest.raises(Unavailable):
            await raw(channel, "Say")(b"")


async def tell_ids(request: Any, context: Any) -> Any:
    """Answers with the ids and the header that arrived."""
    call = current_call()
    return EchoResponse(text=f"{call.request_id} {call.traceparent} {call.authorization}")


async def test_the_ids_and_the_token_of_the_served_call_go_on(open_house: OpenHouse) -> None:
    """One request, one trace and one user through all services."""
    house = await open_house(Say=tell_ids)
    authorization = house.bearer()[0][1]
    with serving(outer(authorization=authorization)):
        answer = await house.stub(anonymous=True).Say(EchoRequest())
    request_id, traceparent, forwarded = answer.text.split(" ", 2)
    assert ("r-1", authorization) == (request_id, forwarded)
    assert TRACE[:36] == traceparent[:36]
    assert TRACE != traceparent


async def test_a_service_speaks_for_itself_where_it_has_a_token(open_house: OpenHouse) -> None:
    """Not with the token of the user it serves."""
    seen: list[Call] = []

    async def keep(request: Any, context: Any) -> AsyncIterator[Any]:
        seen.append(current_call())
        yield EchoResponse()

    house = await open_house(Watch=keep)

    async def own() -> str:
        return str(house.issuer.token(house.issuer.claims(role="service", sub="job_service")))

    with serving(outer(authorization=house.bearer()[0][1])):
        await anext(house.stub(token=own).Watch(EchoRequest()))
    assert "job_service" == seen[0].caller.subject


async def test_given_metadata_is_not_replaced(open_house: OpenHouse) -> None:
    """The caller knows better."""
    house = await open_house(Say=tell_ids)
    metadata = (*house.bearer(), ("x-request-id", "mine"))
    with serving(outer(authorization="Bearer nonsense")):
        answer = await house.stub(anonymous=True).Say(EchoRequest(), metadata=metadata)
    assert answer.text.startswith("mine ")
    assert answer.text.endswith(metadata[0][1])


async def test_a_call_outside_of_any_call_gets_ids(open_house: OpenHouse) -> None:
    """A loop's calls can be followed too."""
    house = await open_house(Say=tell_ids)
    request_id, traceparent, _ = (await house.stub().Say(EchoRequest())).text.split(" ", 2)
    assert (36, 55) == (len(request_id), len(traceparent))


async def test_there_is_a_failpoint_before_and_after_each_call(open_house: OpenHouse) -> None:
    """Before: the peer never saw it. After: the work is done, and the caller is told otherwise."""
    flaky = Flaky(0)
    stub = (await open_house(Say=flaky.handler())).stub()
    failpoints.configure("rpc.Say.before=error*1,rpc.Say.after=error*1")
    with pytest.raises(failpoints.FailpointError):
        await stub.Say(EchoRequest())
    assert 0 == flaky.calls
    with pytest.raises(failpoints.FailpointError):
        await stub.Say(EchoRequest())
    assert 1 == flaky.calls
    assert "here" == (await stub.Say(EchoRequest())).text


async def test_there_is_a_failpoint_around_each_stream(open_house: OpenHouse) -> None:
    """Before it opens and after its last answer."""
    stub = (await open_house()).stub()
    failpoints.configure("rpc.Watch.before=error*1,rpc.Watch.after=error*1")
    with pytest.raises(failpoints.FailpointError):
        await anext(stub.Watch(EchoRequest(count=1)))
    stream = stub.Watch(EchoRequest(count=1))
    assert 0 == (await anext(stream)).count
    with pytest.raises(failpoints.FailpointError):
        await anext(stream)


async def test_streamed_requests_pass_the_same_channel(open_house: OpenHouse) -> None:
    """Both kinds."""

    async def requests() -> AsyncIterator[Any]:
        for text in ("a", "b"):
            yield EchoRequest(text=text)

    stub = (await open_house()).stub()
    assert "a b" == (await stub.Collect(requests())).text
    assert ["a", "b"] == [answer.text async for answer in stub.Chat(requests())]


async def test_a_cancelled_caller_cancels_the_call(open_house: OpenHouse) -> None:
    """The peer's handler stops."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def for_ever(request: Any, context: Any) -> Any:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house = await open_house(Say=for_ever)
    call = asyncio.ensure_future(house.stub().Say(EchoRequest()))
    await asyncio.wait_for(arrived.wait(), 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(ended.wait(), 30)
