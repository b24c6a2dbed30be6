"""Wires job_service together. The only file that knows every room."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gpuaas.api.v1 import access_pb2
from gpuaas.auth.v1 import auth_service_pb2
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
from gpuaas.scheduler.v1 import inventory_service_pb2, scheduler_service_pb2
from job_service.adapters.documents import decode_event
from job_service.adapters.identity import GrpcIdentity
from job_service.adapters.reader import SqlReader
from job_service.adapters.scheduler import GrpcScheduler
from job_service.adapters.tables import PLUMBING
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.commands import Policy
from job_service.config import Settings
from job_service.domain.approval import AutoApproval
from job_service.domain.quantity import from_gpu_hours
from job_service.entrypoints.grpc_api import JobApi, QuotaApi
from job_service.entrypoints.loops import Catalogue, Follower, Forwarder, keep_running
from job_service.entrypoints.watching import JobWatch
from servicekit.client import connect, read_only_methods
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.idempotency import Idempotent
from servicekit.identity import Verifier
from servicekit.ids import new_id
from servicekit.interceptors import EdgeInterceptor, access_table
from servicekit.server import Server
from servicekit.writer import Writer

JOBS = job_service_pb2.DESCRIPTOR.services_by_name["JobService"]
QUOTAS = quota_service_pb2.DESCRIPTOR.services_by_name["QuotaService"]
APPROVALS = approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"]
WEBHOOKS = webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"]
AUTH_READS = read_only_methods([auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]])
SCHEDULER_READS = read_only_methods(
    [
        scheduler_service_pb2.DESCRIPTOR.services_by_name["SchedulerService"],
        inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"],
    ]
)


@dataclass(frozen=True, slots=True)
class Service:
    """A running job_service: where it answers, and what a test wants to look into."""

    port: int
    server: Server
    database: Database
    log: EventLog


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Serves from entry to exit. The database has been migrated before.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    clock = clock or SystemClock()
    policy = _policy(settings)
    async with AsyncExitStack() as closing:
        database = Database(settings.database_url)
        closing.callback(database.close)
        log = EventLog(database, PLUMBING)
        await log.open()
        closing.push_async_callback(log.close)
        writer = Writer(database, log, SqlUnitOfWork)
        writer.start()
        closing.push_async_callback(writer.stop)
        reader = SqlReader(database)

        auth = connect(settings.auth_target, reads=AUTH_READS)
        closing.push_async_callback(auth.close)
        password = settings.service_password.get_secret_value()
        identity = GrpcIdentity(auth, settings.service_account, password, clock)
        channel = connect(settings.scheduler_target, reads=SCHEDULER_READS, token=identity.token)
        closing.push_async_callback(channel.close)
        scheduler = GrpcScheduler(channel)
        catalogue = Catalogue(scheduler)

        verifier = Verifier(identity.fetch_jwks, settings.issuer, settings.audience, clock)
        access = access_table([JOBS, QUOTAS, APPROVALS, WEBHOOKS], access_pb2.access)
        server = Server(EdgeInterceptor(access, verifier, production=settings.production))
        once = Idempotent(writer, clock)
        watch = JobWatch(reader, log, decode_event, clock)
        jobs = JobApi(once, reader, watch, catalogue, policy, clock, new_id)
        quotas = QuotaApi(once, reader, policy, clock, new_id)
        server.add(JOBS, job_service_pb2_grpc.add_JobServiceServicer_to_server, jobs)
        server.add(QUOTAS, quota_service_pb2_grpc.add_QuotaServiceServicer_to_server, quotas)
        server.add(
            APPROVALS,
            approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server,
            approval_service_pb2_grpc.ApprovalServiceServicer(),
        )
        server.add(
            WEBHOOKS,
            webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
            webhook_service_pb2_grpc.WebhookServiceServicer(),
        )
        port = server.listen(settings.listen)
        await server.start()
        closing.push_async_callback(server.drain)
        for name, loop in {
            "forward": Forwarder(log, writer, scheduler, decode_event, reader).run,
            "follow": Follower(writer, scheduler, reader).run,
            "catalogue": catalogue.run,
        }.items():
            _keep_running(closing, name, loop)
        yield Service(port, server, database, log)


def _policy(settings: Settings) -> Policy:
    limit = (
        from_gpu_hours(settings.auto_approve_gpu_hours) if settings.auto_approve_gpu_hours else -1
    )
    return Policy(
        monthly_allowance=from_gpu_hours(settings.default_quota_gpu_hours),
        auto_approval=AutoApproval(limit),
        auto_start=settings.auto_start,
    )


def _keep_running(closing: AsyncExitStack, name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Runs a loop until the stack closes."""
    task = asyncio.create_task(keep_running(name, loop), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    closing.push_async_callback(stop)
