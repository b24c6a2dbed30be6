"""Servicers with canned behaviour, behind the real server and its real edge, open to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from gpuaas.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from gpuaas.job.v1 import job_event_pb2, job_pb2, job_service_pb2, job_service_pb2_grpc
from gpuaas.scheduler.v1 import scheduler_service_pb2, scheduler_service_pb2_grpc
from servicekit.call import Call, current_call
from servicekit.errors import (
    FailedPrecondition,
    Failure,
    NotFound,
    OutOfRange,
    Unauthenticated,
)
from servicekit.interceptors import PUBLIC, Edge
from servicekit.server import Server

LAST_REVISION = 5
"""The canned log has events 1 to 5, then bookmarks say 6."""


class Witness:
    """What reached the services, for the test to look at."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.calls: list[Call] = []
        self.metadata: list[dict[str, str]] = []
        self.remaining: list[float] = []
        self.ended_tokens: set[str] = set()
        self.failure: Failure | Exception | None = None
        self.hang = False
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def serve(self, request: Message, context: Any) -> None:
        """Notes the call, then fails or hangs if the test said so."""
        self.requests.append(request)
        self.calls.append(current_call())
        self.metadata.append(dict(context.invocation_metadata()))
        if (current_call().authorization or "") in self.ended_tokens:
            raise Unauthenticated("the session was ended", reason="TOKEN_REVOKED")
        self.remaining.append(context.time_remaining())
        self.begun.set()
        if self.failure is not None:
            raise self.failure
        if self.hang:
            await self.wait_for_release()

    async def wait_for_release(self) -> None:
        """Waits for the test, and notes an end that comes from outside."""
        with self.noting_cancellation():
            await self.release.wait()

    @contextmanager
    def noting_cancellation(self) -> Iterator[None]:
        """Notes an end that comes from outside, also while an answer is on its way."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise


class Jobs(job_service_pb2_grpc.JobServiceServicer):
    """Submits and gets one kind of job; watches the canned log."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def SubmitJob(
        self, request: job_service_pb2.SubmitJobRequest, context: Any
    ) -> job_service_pb2.SubmitJobResponse:
        """Answers with job-1, whatever was asked."""
        await self._witness.serve(request, context)
        return job_service_pb2.SubmitJobResponse(job=job("job-1"), task_id="job-1")

    async def GetJob(
        self, request: job_service_pb2.GetJobRequest, context: Any
    ) -> job_service_pb2.GetJobResponse:
        """Answers with the job that was asked for."""
        await self._witness.serve(request, context)
        return job_service_pb2.GetJobResponse(job=job(request.job_id))

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: Any
    ) -> job_service_pb2.ListJobsResponse:
        """Answers with an empty page."""
        await self._witness.serve(request, context)
        return job_service_pb2.ListJobsResponse()

    async def ApproveJob(
        self, request: job_service_pb2.ApproveJobRequest, context: Any
    ) -> job_service_pb2.ApproveJobResponse:
        """Answers with the job that was asked for."""
        await self._witness.serve(request, context)
        return job_service_pb2.ApproveJobResponse(job=job(request.job_id))

    async def WatchJobs(
        self, request: job_service_pb2.WatchJobsRequest, context: Any
    ) -> AsyncIterator[job_service_pb2.WatchJobsResponse]:
        """Gives what is left of the canned log, then waits."""
        await self._witness.serve(request, context)
        after = int(request.resume_token or 0)
        events = [event(revision) for revision in range(after + 1, LAST_REVISION + 1)]
        with self._witness.noting_cancellation():
            # Two batches, so that a test sees that batches join without a seam.
            for batch in (events[:2], events[2:]):
                if batch:
                    yield job_service_pb2.WatchJobsResponse(
                        events=batch, resume_token=batch[-1].resume_token
                    )
            yield job_service_pb2.WatchJobsResponse(bookmark=True, resume_token="6")
            if "end" in request.labels:
                raise OutOfRange("too old", reason="RESUME_TOKEN_EXPIRED")
            await self._witness.wait_for_release()


class Auth(auth_service_pb2_grpc.AuthServiceServicer):
    """Logs everybody in."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def Login(
        self, request: auth_service_pb2.LoginRequest, context: Any
    ) -> auth_service_pb2.LoginResponse:
        """Answers with a token that opens nothing."""
        await self._witness.serve(request, context)
        return auth_service_pb2.LoginResponse(
            access_token=f"token of {request.username}", token_type="bearer", expires_in=1800
        )


class Tokens(token_service_pb2_grpc.TokenServiceServicer):
    """Knows the key gpuaas_good and the ticket "good", which works once."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._exchanges = 0
        self._tickets = {"good"}

    async def ExchangeApiKey(
        self, request: token_service_pb2.ExchangeApiKeyRequest, context: Any
    ) -> token_service_pb2.ExchangeApiKeyResponse:
        """Answers with another token each time."""
        await self._witness.serve(request, context)
        if request.api_key != "gpuaas_good":
            raise Unauthenticated("no such key", reason="API_KEY_INVALID")
        self._exchanges += 1
        return token_service_pb2.ExchangeApiKeyResponse(
            access_token=f"key-token-{self._exchanges}", expires_in=1800
        )

    async def RedeemStreamTicket(
        self, request: token_service_pb2.RedeemStreamTicketRequest, context: Any
    ) -> token_service_pb2.RedeemStreamTicketResponse:
        """Answers with a token the first time."""
        await self._witness.serve(request, context)
        if request.ticket not in self._tickets:
            raise Unauthenticated("no such ticket", reason="TICKET_INVALID")
        self._tickets.remove(request.ticket)
        return token_service_pb2.RedeemStreamTicketResponse(
            access_token="ticket-token", expires_in=600
        )


def job(job_id: str) -> job_pb2.Job:
    """Returns a pending job."""
    return job_pb2.Job(id=job_id, owner="ann", state=job_pb2.JOB_STATE_PENDING, version=1)


def event(revision: int) -> job_event_pb2.JobEvent:
    """Returns an event of the canned log."""
    return job_event_pb2.JobEvent(
        revision=revision,
        kind=job_event_pb2.JobEvent.KIND_STARTED,
        resume_token=str(revision),
        job=job("job-1"),
    )


def quota_exceeded() -> Failure:
    """Returns the failure of a user who asks for more hours than are left."""
    return FailedPrecondition(
        "asked for 2 GPU-hours, 1 is left",
        reason="QUOTA_EXCEEDED",
        metadata={"left_milli_gpu_seconds": "3600000"},
    )


def job_not_found() -> Failure:
    """Returns the failure of a job that is not there."""
    return NotFound("there is no such job", reason="JOB_NOT_FOUND")


def servers(witness: Witness) -> dict[str, Server]:
    """Returns the three services' servers by context, not started yet."""
    job_server = _server(_descriptor(job_service_pb2, "JobService"))
    job_server.add(
        _descriptor(job_service_pb2, "JobService"),
        job_service_pb2_grpc.add_JobServiceServicer_to_server,
        Jobs(witness),
    )
    auth_server = _server(
        _descriptor(auth_service_pb2, "AuthService"), _descriptor(token_service_pb2, "TokenService")
    )
    auth_server.add(
        _descriptor(auth_service_pb2, "AuthService"),
        auth_service_pb2_grpc.add_AuthServiceServicer_to_server,
        Auth(witness),
    )
    auth_server.add(
        _descriptor(token_service_pb2, "TokenService"),
        token_service_pb2_grpc.add_TokenServiceServicer_to_server,
        Tokens(witness),
    )
    scheduler_server = _server(_descriptor(scheduler_service_pb2, "SchedulerService"))
    scheduler_server.add(
        _descriptor(scheduler_service_pb2, "SchedulerService"),
        scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server,
        AsyncUnimplemented(),
    )
    return {"auth": auth_server, "job": job_server, "scheduler": scheduler_server}


def _server(*services: ServiceDescriptor) -> Server:
    names = [f"/{it.full_name}/{method.name}" for it in services for method in it.methods]
    return Server(Edge(dict.fromkeys(names, frozenset({PUBLIC})), None))


def _descriptor(module: Any, name: str) -> ServiceDescriptor:
    descriptor: ServiceDescriptor = module.DESCRIPTOR.services_by_name[name]
    return descriptor


class AsyncUnimplemented(scheduler_service_pb2_grpc.SchedulerServiceServicer):
    """A scheduler that is there and serves nothing."""
