"""Wires job_service together. The only file that knows every room."""

from collections.abc import AsyncIterator
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
from job_service.entrypoints.loops import Catalogue, Follower, Forwarder
from job_service.entrypoints.waiting import Waiting
from job_service.entrypoints.watching import JobWatch
from servicekit.client import connect, read_only_methods
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.idempotency import Idempotent
from servicekit.identity import Follower as RevocationFollower
from servicekit.identity import Revocations, Verifier
from servicekit.ids import new_id
from servicekit.interceptors import EdgeInterceptor, access_table
from servicekit.loops import looping
from servicekit.server import Server
from servicekit.storage import Storage, opened
from servicekit.tls import Tls

JOB_SERVICE = job_service_pb2.DESCRIPTOR.services_by_name["JobService"]
QUOTA_SERVICE = quota_service_pb2.DESCRIPTOR.services_by_name["QuotaService"]
APPROVAL_SERVICE = approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"]
WEBHOOK_SERVICE = webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"]
AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
SCHEDULER_SERVICE = scheduler_service_pb2.DESCRIPTOR.services_by_name["SchedulerService"]
INVENTORY_SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"]


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
    storing = opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock)
    async with AsyncExitStack() as closing:
        storage = await closing.enter_async_context(storing)
        identity, revocations = _identity(settings, clock, closing), Revocations(clock)
        scheduler = _scheduler(settings, identity, closing)
        reader, catalogue = SqlReader(storage.database), Catalogue(scheduler)
        once, policy = Idempotent(storage.writer, clock), _policy(settings)
        watch = JobWatch(reader, storage.log, decode_event, clock)
        jobs = JobApi(once, reader, watch, Waiting(scheduler), catalogue, policy, clock, new_id)
        quotas = QuotaApi(once, reader, policy, clock, new_id)
        verifier = Verifier(
            identity.fetch_jwks,
            settings.issuer,
            settings.audience,
            clock,
            revocations=revocations,
        )
        server = _server(settings, verifier, clock, jobs, quotas)
        port = server.listen(settings.listen, Tls.of(settings))
        await server.start(storage.database.answers)
        closing.push_async_callback(server.drain)
        revoked = RevocationFollower(
            identity.watch_revocations, revocations, clock, settings.revocation_grace
        )
        await closing.enter_async_context(looping({"revocations": revoked.run}))
        await closing.enter_async_context(_loops(storage, reader, scheduler, catalogue))
        yield Service(port, server, storage.database, storage.log)


def _identity(settings: Settings, clock: Clock, closing: AsyncExitStack) -> GrpcIdentity:
    """The auth service, over a channel that closes with the rest."""
    reads = read_only_methods([AUTH_SERVICE])
    channel = connect(settings.auth_target, reads=reads, tls=Tls.of(settings))
    closing.push_async_callback(channel.close)
    password = settings.service_password.get_secret_value()
    return GrpcIdentity(channel, settings.service_account, password, clock)


def _scheduler(
    settings: Settings, identity: GrpcIdentity, closing: AsyncExitStack
) -> GrpcScheduler:
    """The scheduler, called in this service's own name over a channel that closes with the rest."""
    reads = read_only_methods([SCHEDULER_SERVICE, INVENTORY_SERVICE])
    channel = connect(
        settings.scheduler_target,
        reads=reads,
        token=identity.token,
        on_refused=identity.token.refused,
        tls=Tls.of(settings),
    )
    closing.push_async_callback(channel.close)
    return GrpcScheduler(channel)


@asynccontextmanager
async def _loops(
    storage: Storage[SqlUnitOfWork],
    reader: SqlReader,
    scheduler: GrpcScheduler,
    catalogue: Catalogue,
) -> AsyncIterator[None]:
    """Runs the loops to and from the scheduler."""
    forward = Forwarder(storage.log, storage.writer, scheduler, decode_event, reader)
    follow = Follower(storage.writer, scheduler, reader)
    works = {"forward": forward.run, "follow": follow.run, "catalogue": catalogue.run}
    async with looping(works):
        yield


def _policy(settings: Settings) -> Policy:
    return Policy(
        monthly_allowance=from_gpu_hours(settings.default_quota_gpu_hours),
        auto_approval=AutoApproval(from_gpu_hours(settings.auto_approve_gpu_hours)),
        auto_start=settings.auto_start,
    )


def _server(
    settings: Settings, verifier: Verifier, clock: Clock, jobs: JobApi, quotas: QuotaApi
) -> Server:
    services = [JOB_SERVICE, QUOTA_SERVICE, APPROVAL_SERVICE, WEBHOOK_SERVICE]
    access = access_table(services, access_pb2.access)
    edge = EdgeInterceptor(access, verifier, production=settings.production, clock=clock)
    server = Server(edge)
    server.add(JOB_SERVICE, job_service_pb2_grpc.add_JobServiceServicer_to_server, jobs)
    server.add(QUOTA_SERVICE, quota_service_pb2_grpc.add_QuotaServiceServicer_to_server, quotas)
    # Of these two the contract is there and nothing behind it: they answer UNIMPLEMENTED.
    server.add(
        APPROVAL_SERVICE,
        approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server,
        approval_service_pb2_grpc.ApprovalServiceServicer(),
    )
    server.add(
        WEBHOOK_SERVICE,
        webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
        webhook_service_pb2_grpc.WebhookServiceServicer(),
    )
    return server
