"""Wires job_service together. The only file that knows every room."""

import random
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

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
from job_service.adapters.documents import actor_of, decode_event
from job_service.adapters.identity import GrpcIdentity
from job_service.adapters.ledger_check import check
from job_service.adapters.reader import SqlReader
from job_service.adapters.scheduler import GrpcScheduler
from job_service.adapters.sender import HttpSender
from job_service.adapters.tables import PLUMBING
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.commands.acting import Policy
from job_service.application.quoting import Quoting
from job_service.config import Overrun, Settings
from job_service.domain.approval import default_rules
from job_service.domain.quantity import from_gpu_hours
from job_service.domain.runs import RetryRule
from job_service.entrypoints.expiry import Expiry
from job_service.entrypoints.grpc_api.approvals import ApprovalApi
from job_service.entrypoints.grpc_api.jobs import JobApi
from job_service.entrypoints.grpc_api.quotas import QuotaApi
from job_service.entrypoints.grpc_api.quoting import Quotes
from job_service.entrypoints.grpc_api.webhooks import WebhookApi
from job_service.entrypoints.loops import Catalogue, Follower, Forwarder, Releaser
from job_service.entrypoints.output import JobOutput
from job_service.entrypoints.retention import Retention
from job_service.entrypoints.telling import Deliverer, Planner
from job_service.entrypoints.waiting import Explainer
from job_service.entrypoints.watching import JobWatch
from servicekit import migrations
from servicekit.client import connect, read_only_methods
from servicekit.clock import Clock, SystemClock
from servicekit.config import ConfigurationError
from servicekit.database import Database
from servicekit.errors import Unavailable
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
        reader = SqlReader(storage.database)
        catalogue = Catalogue(scheduler, storage.writer)
        once, policy = Idempotent(storage.writer, clock), _policy(settings)
        watch = JobWatch(reader, storage.log, decode_event, clock, settings.streams_per_caller)
        jobs = JobApi(
            once,
            storage.writer,
            reader,
            watch,
            JobOutput(reader, scheduler, storage.log),
            Explainer(scheduler, clock),
            catalogue,
            Quotes(
                Quoting(reader, scheduler, policy),
                reader,
                catalogue,
                clock,
                timedelta(minutes=settings.quote_minutes),
            ),
            policy,
            clock,
            new_id,
        )
        quotas = QuotaApi(once, reader, policy, clock, new_id)
        approvals = ApprovalApi(once, reader, policy)
        sender = HttpSender(lenient=settings.webhooks_anywhere)
        closing.push_async_callback(sender.close)
        webhooks = WebhookApi(
            once, reader, sender, storage.log, settings.webhooks_per_user, clock, new_id, _secret
        )
        verifier = Verifier(
            identity.fetch_jwks,
            settings.issuer,
            settings.audience,
            clock,
            revocations=revocations,
        )
        server = _server(settings, verifier, clock, jobs, quotas, approvals, webhooks)
        port = server.listen(settings.listen, Tls.of(settings))
        await server.start(storage.database.answers)
        closing.push_async_callback(server.drain)
        revoked = RevocationFollower(
            identity.watch_revocations, revocations, clock, settings.revocation_grace
        )
        await closing.enter_async_context(looping({"revocations": revoked.run}))
        await closing.enter_async_context(
            _loops(storage, reader, scheduler, catalogue, policy, clock)
        )
        await closing.enter_async_context(_telling(storage, reader, watch, sender, clock))
        await closing.enter_async_context(_upkeep(settings, storage, reader, clock))
        yield Service(port, server, storage.database, storage.log)


def check_ledger(settings: Settings, arguments: list[str]) -> None:
    """Says whether the ledger is sound, and ends the process with code 1 if it is not.

    Raises:
        ConfigurationError: there are arguments, or the database cannot be read.
    """
    if arguments:
        raise ConfigurationError("usage: python -m job_service check-ledger")
    database = Database(settings.database_url)
    try:
        migrations.require_newest("job_service", database)
        checked = database.read_now(check)
    except Unavailable as gone:
        raise ConfigurationError(gone.message) from None
    finally:
        database.close()
    if checked.flaw:
        sys.stdout.write(f"{checked.flaw}\n")
        raise SystemExit(1)
    sys.stdout.write(
        f"sound: {checked.accounts} accounts, {checked.entries} entries, "
        f"{checked.reservations} reservations\n"
    )


VERBS = {"check-ledger": check_ledger}


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
    policy: Policy,
    clock: Clock,
) -> AsyncIterator[None]:
    """Runs the loops to and from the scheduler."""
    writer = storage.writer
    forward = Forwarder(
        storage.log, writer, scheduler, decode_event, actor_of, reader, policy, clock
    )
    works = {
        "forward": forward.run,
        "follow": Follower(writer, scheduler, reader, policy.retry).run,
        "release": Releaser(writer, reader, policy, clock).run,
        "catalogue": catalogue.run,
    }
    async with looping(works):
        yield


@asynccontextmanager
async def _telling(
    storage: Storage[SqlUnitOfWork],
    reader: SqlReader,
    watch: JobWatch,
    sender: HttpSender,
    clock: Clock,
) -> AsyncIterator[None]:
    """Runs the loops that tell webhooks of changes."""
    plan = Planner(storage.log, storage.writer, reader, decode_event, watch.write, clock)
    deliver = Deliverer(storage.writer, reader, sender, clock, random.SystemRandom().random)
    async with looping({"webhooks": plan.run, "deliver": deliver.run}):
        yield


def _secret() -> str:
    """What a webhook's deliveries are signed with: 256 bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"


@asynccontextmanager
async def _upkeep(
    settings: Settings, storage: Storage[SqlUnitOfWork], reader: SqlReader, clock: Clock
) -> AsyncIterator[None]:
    """Runs the loops that end what nobody takes care of."""
    patience = timedelta(hours=settings.approval_patience_hours)
    expiry = Expiry(storage.writer, reader, clock, patience)
    retention = Retention(
        storage.log,
        storage.writer,
        reader,
        clock,
        keep_jobs=timedelta(days=settings.keep_jobs_days),
        keep_events=timedelta(days=settings.keep_events_days),
    )
    async with looping({"expire": expiry.run, "retain": retention.run}):
        yield


def _policy(settings: Settings) -> Policy:
    finishes = settings.overrun is Overrun.FINISH
    return Policy(
        monthly_allowance=from_gpu_hours(settings.default_quota_gpu_hours),
        rules=default_rules(
            from_gpu_hours(settings.auto_approve_gpu_hours),
            from_gpu_hours(settings.two_approvers_gpu_hours),
        ),
        auto_start=settings.auto_start,
        retry=RetryRule(
            settings.platform_retries, backoff=timedelta(seconds=settings.retry_backoff_seconds)
        ),
        longest_overrun=timedelta(hours=settings.longest_overrun_hours) if finishes else None,
    )


def _server(
    settings: Settings,
    verifier: Verifier,
    clock: Clock,
    jobs: JobApi,
    quotas: QuotaApi,
    approvals: ApprovalApi,
    webhooks: WebhookApi,
) -> Server:
    services = [JOB_SERVICE, QUOTA_SERVICE, APPROVAL_SERVICE, WEBHOOK_SERVICE]
    access = access_table(services, access_pb2.access)
    edge = EdgeInterceptor(access, verifier, production=settings.production, clock=clock)
    server = Server(edge)
    server.add(JOB_SERVICE, job_service_pb2_grpc.add_JobServiceServicer_to_server, jobs)
    server.add(QUOTA_SERVICE, quota_service_pb2_grpc.add_QuotaServiceServicer_to_server, quotas)
    server.add(
        APPROVAL_SERVICE,
        approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server,
        approvals,
    )
    server.add(
        WEBHOOK_SERVICE,
        webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
        webhooks,
    )
    return server
