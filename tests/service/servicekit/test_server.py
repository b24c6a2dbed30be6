"""A server takes its port alone, says how it is, and goes without breaking anyone's call."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import prometheus_client
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from servicekit.client import connect
from servicekit.config import ConfigurationError
from servicekit.errors import Failure, Unavailable
from servicekit.interceptors import Edge
from servicekit.server import Server
from tests.service.servicekit.echo import (
    PACKAGE,
    SERVICE,
    EchoRequest,
    EchoResponse,
    EchoStub,
    path,
    raw,
)
from tests.unit.servicekit.captured_log import captured_log

OpenHouse = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[3]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def echo_process(address: str = "127.0.0.1:0") -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the echo service as a process; it is gone at the end, however the test went."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.service.servicekit.serve_echo", address,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def port_of(process: asyncio.subprocess.Process) -> int:
    """Waits until the process serves, and returns its port."""
    assert process.stdout is not None
    return int(await asyncio.wait_for(process.stdout.readline(), 60))


def health_stub(channel: Any) -> Any:
    """Returns the health protocol's client."""
    return health_pb2_grpc.HealthStub(channel)


async def health(channel: Any, service: str = "") -> Any:
    """Returns a service's health."""
    request = health_pb2.HealthCheckRequest(service=service)
    return (await health_stub(channel).Check(request)).status


async def test_health_is_open_to_all_for_the_whole_and_each_service(open_house: OpenHouse) -> None:
    """A probe has no token."""
    house = await open_house()
    channel = house.channel(anonymous=True)
    for service in ("", f"{PACKAGE}.EchoService"):
        assert SERVING == await health(channel, service)


async def test_a_lost_database_is_seen_by_who_watches_the_health(open_house: OpenHouse) -> None:
    """NOT_SERVING while it is away, SERVING when it is back."""
    house = await open_house()
    stub = health_stub(house.channel(anonymous=True))
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=f"{PACKAGE}.EchoService"))
    seen = [(await anext(watch)).status]
    for serving in (False, True):
        await house.server.set_serving(serving=serving)
        seen.append((await asyncio.wait_for(anext(watch), 30)).status)
    assert [SERVING, NOT_SERVING, SERVING] == seen


async def services(channel: Any) -> list[str]:
    """Returns what reflection lists."""

    async def requests() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = [answer async for answer in stub.ServerReflectionInfo(requests())]
    return [service.name for service in answers[0].list_services_response.service]


async def test_reflection_lists_all_services(open_house: OpenHouse) -> None:
    """In development for everyone, so that grpcurl works at once."""
    house = await open_house()
    expected = {
        f"{PACKAGE}.EchoService",
        "gpuaas.api.v1.RelayService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert expected == set(await services(house.channel(anonymous=True)))


async def test_reflection_is_for_admins_in_production(open_house: OpenHouse) -> None:
    """The contract is not told to strangers, and not to users either."""
    house = await open_house({"production": True})

    async def admin() -> str:
        return str(house.issuer.token(house.issuer.claims(role="admin")))

    assert await services(house.channel(token=admin))
    reasons = []
    for channel in (house.channel(anonymous=True), house.channel()):
        with pytest.raises(Failure) as refusal:
            await services(channel)
        reasons.append(refusal.value.reason)
    assert ["TOKEN_MISSING", "ROLE_FORBIDDEN"] == reasons


async def test_a_taken_port_is_named() -> None:
    """Also when it was taken by another of our servers: ports are not shared."""
    first, second = (Server(Edge({}, None)) for _ in range(2))
    port = first.listen("127.0.0.1:0")
    await first.start()
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}: is the port"):
        second.listen(f"127.0.0.1:{port}")
    await first.drain()
    await second.drain()


async def test_what_is_no_address_is_named() -> None:
    """With what was expected."""
    server = Server(Edge({}, None))
    with pytest.raises(ConfigurationError, match="expected host:port"):
        server.listen("nowhere")
    await server.drain()


async def test_a_process_whose_port_is_taken_ends_with_code_2_and_one_line() -> None:
    """No traceback: the operator reads what to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with echo_process(address) as process:
            _, complaint = await asyncio.wait_for(process.communicate(), 60)
    last = complaint.decode().splitlines()[-1]
    assert (2, f"cannot listen on {address}: is the port taken?") == (process.returncode, last)
    assert b"Traceback" not in complaint


def generic() -> Any:
    """Handlers of a service as old generated code brings them, in one way only."""
    return grpc.method_handlers_generic_handler(f"{PACKAGE}.OldService", {})


async def test_a_service_without_the_names_of_its_methods_ends_the_start() -> None:
    """It would look registered, and no call would ever reach it."""
    server = Server(Edge({}, None))
    server.add(SERVICE, lambda _, to: to.add_generic_rpc_handlers((generic(),)), object())
    with pytest.raises(
        TypeError, match=r"servicekit.test.v1.OldService: registered by add_generic"
    ):
        await server.start()
    await server.drain()


async def test_handlers_of_nobody_knows_what_are_refused() -> None:
    """Whom they let in could not be told from any contract."""

    class Anything(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            raise NotImplementedError

    server = Server(Edge({}, None))
    with pytest.raises(TypeError, match="expected the handlers of one service"):
        server.add(SERVICE, lambda _, to: to.add_generic_rpc_handlers((Anything(),)), object())
    await server.drain()


async def test_a_draining_server_finishes_its_calls_and_ends_its_streams(
    open_house: OpenHouse,
) -> None:
    """Streams are told to resume elsewhere at once; a running call gets its answer."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, context: Any) -> Any:
        arrived.set()
        await go_on.wait()
        return EchoResponse(text="done")

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(count=1)
        await asyncio.Event().wait()

    house = await open_house(Say=slow, Watch=endless)
    call = asyncio.ensure_future(house.stub().Say(EchoRequest()))
    stream = house.stub().Watch(EchoRequest())
    await anext(stream)
    await asyncio.wait_for(arrived.wait(), 30)
    draining = asyncio.create_task(house.server.drain())
    with pytest.raises(Unavailable) as ended:
        await asyncio.wait_for(anext(stream), 30)
    assert ended.value.retry_after is not None
    assert not call.done()
    assert not draining.done()
    go_on.set()
    assert "done" == (await call).text
    await asyncio.wait_for(draining, 30)


async def test_a_draining_server_says_so_to_who_watches_its_health(open_house: OpenHouse) -> None:
    """NOT_SERVING comes before the end of the stream."""
    house = await open_house()
    stub = health_stub(house.channel(anonymous=True))
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    seen = [(await anext(watch)).status]
    draining = asyncio.create_task(house.server.drain())
    with pytest.raises(Unavailable):
        seen.extend([answer.status async for answer in watch])
    await draining
    assert SERVING == seen[0]


async def test_sigterm_ends_the_process_with_code_0_after_its_calls() -> None:
    """A call that runs at the signal is answered; a stream does not hold the process."""
    async with echo_process() as process, connect(f"127.0.0.1:{await port_of(process)}") as channel:
        stub: Any = EchoStub(channel)
        stream = stub.Watch(EchoRequest())
        await anext(stream)
        call = asyncio.ensure_future(stub.Greet(EchoRequest(text="bye", count=500)))
        await anext(stream)
        process.send_signal(signal.SIGTERM)
        assert "bye" == (await call).text
        with pytest.raises(Unavailable):
            await anext(stream)
        assert 0 == await asyncio.wait_for(process.wait(), 30)


async def test_a_call_that_outlasts_the_grace_is_cut(open_house: OpenHouse) -> None:
    """The server goes in the end, whatever a handler does."""
    arrived = asyncio.Event()

    async def for_ever(request: Any, context: Any) -> Any:
        arrived.set()
        await asyncio.Event().wait()

    for_long = timedelta(hours=1)
    house = await open_house(
        {"grace": timedelta(milliseconds=100), "unary_cap": for_long}, Say=for_ever
    )
    call = asyncio.ensure_future(house.stub(cap=for_long).Say(EchoRequest()))
    await asyncio.wait_for(arrived.wait(), 30)
    await asyncio.wait_for(house.server.drain(), 30)
    with pytest.raises(Failure):
        await call


async def test_each_call_is_one_line_and_one_observation(open_house: OpenHouse) -> None:
    """With method, code, time, request id and caller; failures with their reason."""
    labels = {"method": path("Rule"), "code": "PERMISSION_DENIED"}

    def observed() -> float:
        name = "gpuaas_rpc_duration_seconds_count"
        return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0

    before = observed()
    with captured_log() as log:
        house = await open_house()
        metadata = (*house.bearer(), ("x-request-id", "r-77"))
        with pytest.raises(Failure):
            await house.stub(anonymous=True).Rule(EchoRequest(), metadata=metadata)
        await house.close()
        logging.getLogger().error("lines that wait go before this one")
    (line,) = [line for line in log.lines() if line.get("request_id") == "r-77"]
    assert ("rpc", path("Rule"), "PERMISSION_DENIED", "ROLE_FORBIDDEN", "user-1") == tuple(
        line[key] for key in ("event", "method", "code", "reason", "subject")
    )
    assert 0 < line["ms"] < 10_000
    assert 1 == observed() - before


@pytest.mark.parametrize(
    ("size", "accepted"), [(4 * 1024 * 1024 - 100, True), (4 * 1024 * 1024 + 100, False)]
)
async def test_messages_are_limited_to_4_mib(
    open_house: OpenHouse, size: int, accepted: bool
) -> None:
    """A larger one is RESOURCE_EXHAUSTED, from a client that has no limit of its own."""

    async def length(request: Any, context: Any) -> Any:
        return EchoResponse(count=len(request.text))

    house = await open_house(Greet=length)
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(house.target, options=options) as channel:
        stub: Any = EchoStub(channel)
        call = stub.Greet(EchoRequest(text="x" * size))
        if accepted:
            assert size == (await call).count
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call
            assert grpc.StatusCode.RESOURCE_EXHAUSTED is refusal.value.code()


@pytest.mark.parametrize(("size", "accepted"), [(7 * 1024, True), (9 * 1024, False)])
async def test_metadata_is_limited_to_8_kib(
    open_house: OpenHouse, size: int, accepted: bool
) -> None:
    """More is refused each time, not only sometimes, and the connection lives on."""
    house = await open_house()
    async with grpc.aio.insecure_channel(house.target) as channel:
        codes = set()
        for _ in range(10):
            call = raw(channel, "Greet")(b"", metadata=(("x-much", "x" * size),))
            codes.add(await call.code())
        assert {grpc.StatusCode.OK if accepted else grpc.StatusCode.RESOURCE_EXHAUSTED} == codes
        await raw(channel, "Greet")(b"")
