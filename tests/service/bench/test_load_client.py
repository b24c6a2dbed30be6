"""The load client against true servers: it counts what was answered, and only that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest

from bench import messages
from bench.load import http1
from bench.load.closed_loop import call_grpc, call_rest
from bench.load.http2 import connect, grpc_headers
from bench.load.template import PLACEHOLDER
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1 import job_service_pb2_grpc

TOKEN = "a token"


class Recorder(job_service_pb2_grpc.JobServiceServicer):
    """Answers submits and keeps what it saw; refuses after `limit` of them."""

    def __init__(self) -> None:
        self.limit = 1_000_000
        self.requests: list[pb.SubmitJobRequest] = []
        self.metadata: dict[str, str] = {}
        self.deadline = 0.0

    async def SubmitJob(
        self,
        request: pb.SubmitJobRequest,
        context: "grpc.aio.ServicerContext[pb.SubmitJobRequest, pb.SubmitJobResponse]",
    ) -> pb.SubmitJobResponse:
        """Answers with the size of an answer that takes several frames."""
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata() or ())  # type: ignore[arg-type]
        self.deadline = context.time_remaining() or 0.0
        if len(self.requests) > self.limit:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")
        return pb.SubmitJobResponse(message="x" * 40_000)

    async def BatchSubmitJobs(
        self,
        request: pb.BatchSubmitJobsRequest,
        context: "grpc.aio.ServicerContext[pb.BatchSubmitJobsRequest, pb.BatchSubmitJobsResponse]",
    ) -> pb.BatchSubmitJobsResponse:
        """Answers how many there were."""
        return pb.BatchSubmitJobsResponse(submitted_count=len(request.specs))


class Collector:
    """Keeps what a connection tells about a call."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.status: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def message(self, payload: bytes) -> None:
        """Keeps a message."""
        self.messages.append(payload)

    def ended(self, status: str, text: str) -> None:
        """Keeps the end."""
        self.status.set_result(f"{status} {text}".strip())


@pytest.fixture
async def recorder() -> Recorder:
    """The servicer."""
    return Recorder()


@pytest.fixture
async def address(recorder: Recorder) -> AsyncIterator[str]:
    """Where it is served."""
    server = grpc.aio.server()
    job_service_pb2_grpc.add_JobServiceServicer_to_server(recorder, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_calls_arrive_as_a_client_sends_them(address: str, recorder: Recorder) -> None:
    """Message, token and deadline are right in every call, and no request id comes twice."""
    headers = grpc_headers(address, messages.SUBMIT, TOKEN)
    result = await call_grpc(
        address, headers, messages.submit_request(), in_flight=8, warm_up=0.0, measured=1.0
    )
    assert {} == result.failures
    assert 0 < result.calls <= len(recorder.requests)
    assert len(recorder.requests) == len({each.request_id for each in recorder.requests})
    assert messages.job_spec() == recorder.requests[-1].spec
    assert f"Bearer {TOKEN}" == recorder.metadata["authorization"]
    assert 0.0 < recorder.deadline <= 30.0


async def test_failures_are_counted_and_never_as_calls(address: str, recorder: Recorder) -> None:
    """A server that refuses after 20 calls gives 20 calls and a failure for each slot."""
    recorder.limit = 20
    headers = grpc_headers(address, messages.SUBMIT, TOKEN)
    result = await call_grpc(
        address, headers, messages.submit_request(), in_flight=4, warm_up=0.0, measured=30.0
    )
    assert (20, {"8 enough": 4}) == (result.calls, result.failures)


async def test_more_than_the_servers_window_waits_for_it(address: str) -> None:
    """Requests of 5 MB at once pass what the server takes in; some wait, and all arrive."""
    connection = await connect(address, grpc_headers(address, messages.BATCH_SUBMIT))
    request = pb.BatchSubmitJobsRequest(specs=[messages.job_spec()] * 400)
    body = b"\0" + request.ByteSize().to_bytes(4, "big") + request.SerializeToString()
    calls = [Collector() for _ in range(100)]
    for call in calls:
        connection.call(body, call)
    assert connection.waiting > 0
    assert ["0"] * 100 == [await asyncio.wait_for(call.status, 10) for call in calls]
    counts = [pb.BatchSubmitJobsResponse.FromString(call.messages[0]) for call in calls]
    assert [400] * 100 == [count.submitted_count for count in counts]
    connection.close()


async def test_a_lost_connection_ends_its_calls(address: str) -> None:
    """A call that nobody will answer any more is told so, and a later one is refused."""
    connection = await connect(address, grpc_headers(address, "/gpuaas.job.v1.JobService/Watch"))
    connection.close()
    call = Collector()
    connection.call(b"\0\0\0\0\0", call)
    assert (await asyncio.wait_for(call.status, 10)).startswith("14 connection lost")
    with pytest.raises(ConnectionError):
        connection.call(b"\0\0\0\0\0", call)


async def test_rest_counts_by_status() -> None:
    """Answers in pieces are put together; another status than 2xx is a failure with its body."""
    seen: list[bytes] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await read_head(reader):
                seen.append(head)
                await reader.readexactly(len(messages.submit_json()))
                status = b"200 OK" if len(seen) <= 10 else b"503 Service Unavailable"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Len")
                await writer.drain()
                writer.write(b"gth: 4\r\n\r\n{\n ")
                writer.write(b"}")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            served.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        headers = {"Idempotency-Key": PLACEHOLDER}
        request = http1.post(address, "/api/v1/jobs", headers, messages.submit_json())
        result = await call_rest(address, request, in_flight=1, warm_up=0.0, measured=30.0)
        await served.wait()
    assert (10, {"503 {\n }": 1}) == (result.calls, result.failures)
    keys = {line for head in seen for line in head.split(b"\r\n") if b"Idempotency-Key" in line}
    assert 11 == len(keys)


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Returns the head of a request, or nothing at the connection's end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
