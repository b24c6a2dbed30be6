"""`python -m bench.echo.grpc_server ADDRESS`: bare grpc.aio that answers a canned job."""

from __future__ import annotations

import asyncio
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from bench.messages import canned_batch, canned_job
from gpuaas.job.v1 import job_service_pb2, job_service_pb2_grpc


class Echo(job_service_pb2_grpc.JobServiceServicer):
    """Reads SubmitJob's and BatchSubmitJobs' requests and writes answers of the usual size."""

    def __init__(self) -> None:
        self._job = canned_job()
        self._batch = canned_batch()

    async def SubmitJob(  # noqa: N802
        self,
        request: job_service_pb2.SubmitJobRequest,
        context: grpc.aio.ServicerContext[
            job_service_pb2.SubmitJobRequest, job_service_pb2.SubmitJobResponse
        ],
    ) -> job_service_pb2.SubmitJobResponse:
        """Answers the canned job."""
        return self._job

    async def BatchSubmitJobs(  # noqa: N802
        self,
        request: job_service_pb2.BatchSubmitJobsRequest,
        context: grpc.aio.ServicerContext[
            job_service_pb2.BatchSubmitJobsRequest, job_service_pb2.BatchSubmitJobsResponse
        ],
    ) -> job_service_pb2.BatchSubmitJobsResponse:
        """Answers the canned batch."""
        return self._batch


async def serve(address: str) -> None:
    """Serves until the process ends."""
    server = grpc.aio.server()
    job_service_pb2_grpc.add_JobServiceServicer_to_server(Echo(), server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(address)
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
