"""The service while it serves."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from gpuaas.api.v1 import access_pb2
from gpuaas.job.v1 import (
    approval_service_pb2,
    approval_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    quota_service_pb2,
    quota_service_pb2_grpc,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)
from job_service.adapters.tables import PLUMBING
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.quoting import Quoting
from job_service.bootstrap.loops import works
from job_service.bootstrap.parts import Parts, parts_of
from job_service.config import Settings
from job_service.entrypoints.grpc_api.approvals import ApprovalApi
from job_service.entrypoints.grpc_api.jobs import JobApi
from job_service.entrypoints.grpc_api.quotas import QuotaApi
from job_service.entrypoints.grpc_api.quoting import Quotes
from job_service.entrypoints.grpc_api.webhooks import WebhookApi
from job_service.entrypoints.output import JobOutput
from job_service.entrypoints.sealing import seal_secrets
from job_service.entrypoints.waiting import Explainer
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.idempotency import Idempotent
from servicekit.identity import Verifier
from servicekit.ids import new_id
from servicekit.interceptors import Edge, access_table
from servicekit.loops import looping
from servicekit.server import Server
from servicekit.storage import opened
from servicekit.tls import Tls

JOB_SERVICE = job_service_pb2.DESCRIPTOR.services_by_name["JobService"]
QUOTA_SERVICE = quota_service_pb2.DESCRIPTOR.services_by_name["QuotaService"]
APPROVAL_SERVICE = approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"]
WEBHOOK_SERVICE = webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"]
SERVICES = (JOB_SERVICE, QUOTA_SERVICE, APPROVAL_SERVICE, WEBHOOK_SERVICE)


@dataclass(frozen=True, slots=True)
class Service:
    """A running job_service, in the hands of whoever started it.

    Attributes:
        port: where gRPC is served; the settings may have asked for any free port.
        server: to wait for a signal with.
        database: for tests, to look behind the answers.
        log: for tests, to wait for what the loops do.
    """

    port: int
    server: Server
    database: Database
    log: EventLog


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Serves from entry to exit.

    Raises:
        ConfigurationError: the database is not migrated, or the address cannot be listened on.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        storing = opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock)
        storage = await closing.enter_async_context(storing)
        parts = parts_of(settings, storage, clock, closing)
        await seal_secrets(storage.writer, parts.reader, parts.secrets)
        server = _server(settings, parts)
        port = server.listen(settings.listen, Tls.of(settings))
        await server.start(storage.database.answers)
        closing.push_async_callback(server.drain)
        await closing.enter_async_context(looping(works(settings, parts)))
        yield Service(port, server, storage.database, storage.log)


def _server(settings: Settings, parts: Parts) -> Server:
    """The server of all services that the contract has of this one."""
    verifier = Verifier(
        parts.identity.fetch_jwks,
        settings.issuer,
        settings.audience,
        parts.clock,
        revocations=parts.revocations,
    )
    access = access_table(SERVICES, access_pb2.access)
    edge = Edge(access, verifier, production=settings.production, clock=parts.clock)
    server = Server(edge)
    once = Idempotent(parts.storage.writer, parts.clock)
    server.add(
        JOB_SERVICE,
        job_service_pb2_grpc.add_JobServiceServicer_to_server,
        _jobs(settings, parts, once),
    )
    server.add(
        QUOTA_SERVICE,
        quota_service_pb2_grpc.add_QuotaServiceServicer_to_server,
        QuotaApi(once, parts.reader, parts.policy, parts.clock, new_id),
    )
    server.add(
        APPROVAL_SERVICE,
        approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server,
        ApprovalApi(once, parts.reader, parts.policy),
    )
    server.add(
        WEBHOOK_SERVICE,
        webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
        _webhooks(settings, parts, once),
    )
    return server


def _jobs(settings: Settings, parts: Parts, once: Idempotent[SqlUnitOfWork]) -> JobApi:
    return JobApi(
        once,
        parts.storage.writer,
        parts.reader,
        parts.watch,
        JobOutput(parts.reader, parts.scheduler, parts.storage.log),
        Explainer(parts.scheduler, parts.clock),
        parts.catalogue,
        Quotes(
            Quoting(parts.reader, parts.scheduler, parts.policy),
            parts.reader,
            parts.catalogue,
            parts.clock,
            timedelta(minutes=settings.quote_minutes),
        ),
        parts.policy,
        parts.clock,
        new_id,
    )


def _webhooks(settings: Settings, parts: Parts, once: Idempotent[SqlUnitOfWork]) -> WebhookApi:
    return WebhookApi(
        once,
        parts.reader,
        parts.sender,
        parts.secrets,
        parts.storage.log,
        settings.webhooks_per_user,
        parts.clock,
        new_id,
        _secret,
    )


def _secret() -> str:
    """What a webhook's deliveries are signed with: 256 bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"
