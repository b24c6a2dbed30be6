"""What a caller learns of an error: kind and reason of an expected one, of a defect only its id."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest

from servicekit.errors import Failure, Internal, InvalidArgument, NotFound, Unimplemented, Violation
from tests.service.servicekit.echo import (
    EchoRequest,
    EchoResponse,
    EchoServicer,
    EchoStub,
    path,
    raw,
    register,
)

OpenHouse = Callable[..., Any]
SECRET = "the connection string is hunter2"


class JobNotFound(NotFound):
    reason = "JOB_NOT_FOUND"


async def defect(request: Any, context: Any) -> Any:
    """Fails with a text that nobody may see."""
    raise KeyError(SECRET)


async def defect_midway(request: Any, context: Any) -> AsyncIterator[Any]:
    """Fails so after an answer."""
    yield EchoResponse(count=1)
    raise KeyError(SECRET)


async def wrong_answer(request: Any, context: Any) -> Any:
    """Answers with what is no message."""
    return SECRET


async def wrong_answer_midway(request: Any, context: Any) -> AsyncIterator[Any]:
    """Streams what is no message."""
    yield SECRET


async def refusal(awaitable: Any) -> Failure:
    """Returns the failure that was raised."""
    with pytest.raises(Failure) as raised:
        await awaitable
    return raised.value


async def drained(stream: Any) -> list[Any]:
    """Returns all answers."""
    return [answer async for answer in stream]


async def test_an_exceptions_text_reaches_the_client_without_the_interceptor() -> None:
    """The trap that the next tests guard against is still there in grpcio."""
    server = grpc.aio.server()
    register(EchoServicer(Say=defect), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = EchoStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Say(EchoRequest())
    await server.stop(None)
    assert SECRET in (raised.value.details() or "")


@pytest.mark.parametrize("method", [defect, wrong_answer])
async def test_a_defect_is_internal_with_an_id_unary(
    open_house: OpenHouse, caplog: pytest.LogCaptureFixture, method: Any
) -> None:
    """The text stays in the log, under the id that the caller was given."""
    house = await open_house(Say=method)
    failure = await refusal(house.stub().Say(EchoRequest()))
    assert (Internal, "INTERNAL") == (type(failure), failure.reason)
    assert SECRET not in f"{failure} {failure.metadata} {failure.__cause__!r}"
    assert f"unexpected error {failure.metadata['error_id']}" in caplog.text


@pytest.mark.parametrize("method", [defect_midway, wrong_answer_midway])
async def test_a_defect_is_internal_with_an_id_streaming(
    open_house: OpenHouse, caplog: pytest.LogCaptureFixture, method: Any
) -> None:
    """Also after answers have been sent."""
    house = await open_house(Watch=method)
    failure = await refusal(drained(house.stub().Watch(EchoRequest())))
    assert (Internal, "INTERNAL") == (type(failure), failure.reason)
    assert SECRET not in f"{failure} {failure.metadata} {failure.__cause__!r}"
    assert f"unexpected error {failure.metadata['error_id']}" in caplog.text


@pytest.mark.parametrize("name", ["Collect", "Chat"])
async def test_a_defect_is_internal_for_streamed_requests(open_house: OpenHouse, name: str) -> None:
    """All four kinds of method are wrapped."""
    methods = {"Collect": defect, "Chat": defect_midway}
    house = await open_house(**methods)

    async def requests() -> AsyncIterator[Any]:
        yield EchoRequest()

    answer = getattr(house.stub(), name)(requests())
    failure = await refusal(answer if name == "Collect" else drained(answer))
    assert Internal is type(failure)


async def test_a_handlers_own_timeout_is_a_defect_and_no_deadline(open_house: OpenHouse) -> None:
    """The caller's deadline has not passed, and may not be told that it has."""

    async def impatient(request: Any, context: Any) -> Any:
        raise TimeoutError

    house = await open_house(Say=impatient, options={"unary_cap": timedelta(seconds=2)})
    assert Internal is type(await refusal(house.stub().Say(EchoRequest())))


async def test_an_expected_failure_arrives_whole(open_house: OpenHouse) -> None:
    """Reason, facts and violations, unary."""

    async def refuse(request: Any, context: Any) -> Any:
        raise JobNotFound(
            "no such job", metadata={"job_id": "j-1"}, violations=[Violation("a", "b")]
        )

    failure = await refusal((await open_house(Say=refuse)).stub().Say(EchoRequest()))
    assert (NotFound, "JOB_NOT_FOUND", "no such job") == (
        type(failure), failure.reason, failure.message
    )  # fmt: skip
    assert ({"job_id": "j-1"}, (Violation("a", "b"),)) == (failure.metadata, failure.violations)


async def test_an_expected_failure_ends_a_stream_after_its_answers(open_house: OpenHouse) -> None:
    """What was sent before is received before."""

    async def refuse(request: Any, context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(count=1)
        raise JobNotFound("no such job")

    stream = (await open_house(Watch=refuse)).stub().Watch(EchoRequest())
    assert 1 == (await anext(stream)).count
    assert "JOB_NOT_FOUND" == (await refusal(anext(stream))).reason


async def test_a_handler_may_write_instead_of_yielding(open_house: OpenHouse) -> None:
    """Both ways to stream pass the same edge."""

    async def write(request: Any, context: Any) -> None:
        for number in range(3):
            await context.write(EchoResponse(count=number))
        raise JobNotFound("no more")

    stream = (await open_house(Watch=write)).stub().Watch(EchoRequest())
    answers = [(await anext(stream)).count for _ in range(3)]
    assert "JOB_NOT_FOUND" == (await refusal(anext(stream))).reason
    assert [0, 1, 2] == answers


NAMES = {
    "unary_unary": "Say",
    "unary_stream": "Watch",
    "stream_unary": "Collect",
    "stream_stream": "Chat",
}


@pytest.mark.parametrize("kind", NAMES)
async def test_garbage_bytes_are_the_callers_mistake(open_house: OpenHouse, kind: str) -> None:
    """INVALID_ARGUMENT MESSAGE_MALFORMED for all four kinds, instead of UNKNOWN or INTERNAL."""
    name = NAMES[kind]
    house = await open_house()
    send = getattr(house.channel(), kind)(path(name))

    async def requests() -> AsyncIterator[bytes]:
        yield b"\xff\xff\xff"

    answer = send(requests() if kind.startswith("stream") else b"\xff\xff\xff")
    failure = await refusal(drained(answer) if kind.endswith("stream") else answer)
    assert (InvalidArgument, "MESSAGE_MALFORMED") == (type(failure), failure.reason)


async def test_a_method_that_is_not_there_is_unimplemented(open_house: OpenHouse) -> None:
    """With a reason like every other error, and without a token being asked for."""
    house = await open_house()
    channel = house.channel(anonymous=True)
    failure = await refusal(raw(channel, "Nothing")(b""))
    assert (Unimplemented, "UNIMPLEMENTED") == (type(failure), failure.reason)


async def test_every_refusal_carries_the_request_id(open_house: OpenHouse) -> None:
    """So that a user can quote it."""

    async def refuse(request: Any, context: Any) -> Any:
        raise JobNotFound("no")

    house = await open_house(Change=refuse)
    metadata = (*house.bearer(), ("x-request-id", "mine-1"))
    async with grpc.aio.insecure_channel(house.target) as channel:
        bad = raw(channel, "Change")(b"", metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await bad
    assert "mine-1" == dict(raised.value.trailing_metadata())["x-request-id"]


async def test_a_synchronous_handler_is_refused(open_house: OpenHouse) -> None:
    """It would take one of a few threads for each call: the service does not even start."""

    def blocking(request: Any, context: Any) -> Any:
        return EchoResponse()

    with pytest.raises(TypeError, match="EchoService/Say"):
        await open_house(Say=blocking)


async def test_a_handler_that_returns_nothing_is_a_defect(open_house: OpenHouse) -> None:
    """Silence is no answer."""

    async def nothing(request: Any, context: Any) -> Any:
        return None

    assert Internal is type(
        await refusal((await open_house(Say=nothing)).stub().Say(EchoRequest()))
    )
