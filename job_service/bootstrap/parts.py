"""What the service is made of, each part once."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from gpuaas.auth.v1 import auth_service_pb2
from gpuaas.scheduler.v1 import inventory_service_pb2, scheduler_service_pb2
from job_service.adapters.documents import decode_event
from job_service.adapters.identity import GrpcIdentity
from job_service.adapters.reader import SqlReader
from job_service.adapters.scheduler import GrpcScheduler
from job_service.adapters.secret_chest import SecretChest
from job_service.adapters.sender import HttpSender
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.commands.acting import Policy
from job_service.config import Overrun, Settings
from job_service.domain.approval import default_rules
from job_service.domain.quantity import from_gpu_hours
from job_service.domain.runs import RetryRule
from job_service.entrypoints.loops import Catalogue
from job_service.entrypoints.watching import JobWatch
from servicekit.client import connect, read_only_methods
from servicekit.clock import Clock
from servicekit.identity import Revocations
from servicekit.storage import Storage
from servicekit.tls import Tls

AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
SCHEDULER_SERVICE = scheduler_service_pb2.DESCRIPTOR.services_by_name["SchedulerService"]
INVENTORY_SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What calls and loops share."""

    storage: Storage[SqlUnitOfWork]
    reader: SqlReader
    identity: GrpcIdentity
    revocations: Revocations
    scheduler: GrpcScheduler
    catalogue: Catalogue
    sender: HttpSender
    secrets: SecretChest
    watch: JobWatch
    policy: Policy
    clock: Clock


def parts_of(
    settings: Settings, storage: Storage[SqlUnitOfWork], clock: Clock, closing: AsyncExitStack
) -> Parts:
    """Makes the parts; what they hold open closes with ``closing``."""
    identity = _identity(settings, clock, closing)
    scheduler = _scheduler(settings, identity, closing)
    reader, sender = SqlReader(storage.database), HttpSender(lenient=settings.webhooks_anywhere)
    closing.push_async_callback(sender.close)
    return Parts(
        storage=storage,
        reader=reader,
        identity=identity,
        revocations=Revocations(clock),
        scheduler=scheduler,
        catalogue=Catalogue(scheduler, storage.writer),
        sender=sender,
        secrets=SecretChest(settings.key_encryption_bytes),
        watch=JobWatch(reader, storage.log, decode_event, clock, settings.streams_per_caller),
        policy=_policy(settings),
        clock=clock,
    )


def _identity(settings: Settings, clock: Clock, closing: AsyncExitStack) -> GrpcIdentity:
    reads = read_only_methods([AUTH_SERVICE])
    channel = connect(settings.auth_target, reads=reads, tls=Tls.of(settings))
    closing.push_async_callback(channel.close)
    password = settings.service_password.get_secret_value()
    return GrpcIdentity(channel, settings.service_account, password, clock)


def _scheduler(
    settings: Settings, identity: GrpcIdentity, closing: AsyncExitStack
) -> GrpcScheduler:
    """The scheduler, called in this service's own name."""
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
