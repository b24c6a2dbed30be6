"""`python -m bench.echo.rest_server ADDRESS TARGET`: bare Starlette in front of the gRPC echo."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import grpc
import orjson
import uvicorn
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.messages import canned_job
from gpuaas.job.v1 import job_service_pb2, job_service_pb2_grpc
from local.ports import split_address


class RestEcho:
    """Parses JSON, makes one gRPC call, writes JSON: what no gateway can do without."""

    def __init__(self, target: str) -> None:
        """Prepares everything but the channel, which belongs to the server's event loop."""
        self._target = target
        job = json_format.MessageToDict(canned_job().job, preserving_proto_field_name=True)
        self._answer = job
        routes = [
            Route("/api/v1/jobs", self.submit, methods=["POST"]),
            Route("/readyz", ready),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    async def submit(self, request: Request) -> Response:
        """Answers the canned job once the echo has answered."""
        body = orjson.loads(await request.body())
        message = job_service_pb2.SubmitJobRequest(
            request_id=request.headers["idempotency-key"], name=body["spec"]["name"]
        )
        await self._stub.SubmitJob(message, timeout=30)
        return Response(orjson.dumps(self._answer), media_type="application/json")

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with grpc.aio.insecure_channel(self._target) as channel:
            self._stub = job_service_pb2_grpc.JobServiceStub(channel)
            yield


async def ready(request: Request) -> Response:
    """Answers as a ready gateway does."""
    return Response()


def main(address: str, target: str) -> None:
    """Serves until the process ends."""
    host, port = split_address(address)
    app = RestEcho(target).app
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
