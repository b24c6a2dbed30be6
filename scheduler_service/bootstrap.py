"""Wires scheduler_service together. The only file that knows every room."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gpuaas.api.v1 import access_pb2
from gpuaas.auth.v1 import auth_service_pb2
from gpuaas.scheduler.v1 import (
    allocation_service_pb2,
    allocation_service_pb2_grpc,
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    scheduler_service_pb2,
    scheduler_service_pb2_grpc,
    usage_service_pb2,
    usage_service_pb2_grpc,
)
from scheduler_service.adapters.decision_log import DecisionLogs
from scheduler_service.adapters.documents import decode_event
from scheduler_service.adapters.identity import GrpcIdentity
from scheduler_service.adapters.inventory_file import read_inventory, read_prices, read_speeds
from scheduler_service.adapters.policy_file import read_policies
from scheduler_service.adapters.reader import SqlReader
from scheduler_service.adapters.simulated import SimulatedBackend
from scheduler_service.adapters.tables import PLUMBING
from scheduler_service.adapters.unit import SqlUnitOfWork
from scheduler_service.application.inventory import SyncInventory
from scheduler_service.config import Settings
from scheduler_service.domain.last_hour import LastHour
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.entrypoints.foresight import EngineForesight
from scheduler_service.entrypoints.grpc_api import InventoryApi, SchedulerApi
from scheduler_service.entrypoints.loops import Finishing, Forgetting
from scheduler_service.entrypoints.scheduling import Scheduling
from scheduler_service.entrypoints.watch import EventFeed
from servicekit.client import connect, read_only_methods
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.idempotency import Idempotent
from servicekit.identity import Follower, Revocations, Verifier
from servicekit.ids import new_id
from servicekit.interceptors import Edge, access_table
from servicekit.logs import logger
from servicekit.loops import looping
from servicekit.server import Server
from servicekit.storage import opened
from servicekit.tls import Tls
from servicekit.writer import Writer

PACKAGE = "scheduler_service"
SCHEDULER_SERVICE = scheduler_service_pb2.DESCRIPTOR.services_by_name["SchedulerService"]
INVENTORY_SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"]
ALLOCATION_SERVICE = allocation_service_pb2.DESCRIPTOR.services_by_name["AllocationService"]
USAGE_SERVICE = usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"]
AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """A running scheduler_service, in the hands of whoever started it.

    Attributes:
        port: where gRPC is served; the settings may have asked for any free port.
        server: to wait for a signal with.
        database: for tests, to look behind the answers.
    """

    port: int
    server: Server
    database: Database


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Serves from entry to exit.

    Raises:
        ConfigurationError: the database is not migrated, the inventory makes no sense, or the
            address cannot be listened on.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        storing = opened(PACKAGE, settings, PLUMBING, SqlUnitOfWork, clock)
        storage = await closing.enter_async_context(storing)
        database, log, writer = storage.database, storage.log, storage.writer
        await _sync_inventory(settings, writer)
        reader = SqlReader(database)
        backend = SimulatedBackend(
            clock,
            speed=settings.simulation_speed,
            seed=settings.simulation_seed,
            failure_rate=settings.simulation_failure_rate,
        )
        policies, prices = read_policies(settings.policy), read_prices(settings.inventory)
        logs = _decision_logs(settings, closing)
        new_engine = partial(_engine, settings, policies, prices, logs, clock)
        last_hour = LastHour()
        scheduling = Scheduling(
            writer,
            log,
            decode_event,
            reader,
            backend,
            prices,
            new_engine,
            _full(logs),
            last_hour,
            clock,
            new_id,
        )
        foresight = EngineForesight(scheduling.engine, last_hour, clock)
        works = {
            "schedule": scheduling.run,
            "finish": Finishing(writer, backend, clock).run,
            "cancellations": Forgetting(writer, clock).run,
        }
        await closing.enter_async_context(looping(works))
        once = Idempotent(writer, clock)
        feed = EventFeed(log, decode_event, clock)
        api = SchedulerApi(writer, once, reader, backend, feed, foresight, logs, clock)
        verifier = await _verifier(settings, clock, closing)
        server = _server(settings, verifier, clock, api, InventoryApi(reader, foresight, prices))
        port = server.listen(settings.listen, Tls.of(settings))
        await server.start(database.answers)
        closing.push_async_callback(server.drain)
        yield Service(port, server, database)


def _decision_logs(settings: Settings, closing: AsyncExitStack) -> DecisionLogs | None:
    if settings.decision_log is None:
        return None
    logs = DecisionLogs(settings.decision_log, settings.decision_log_bytes)
    closing.callback(logs.close)
    return logs


def _full(logs: DecisionLogs | None) -> Callable[[], bool]:
    """Whether a new log, and with it a new engine, is due."""
    return lambda: logs is not None and logs.is_full()


def _engine(
    settings: Settings,
    policies: dict[str, Policy],
    prices: PriceList,
    logs: DecisionLogs | None,
    clock: Clock,
) -> LiveEngine:
    """A new engine, which begins a new decision log if there are any."""
    if logs is not None:
        logs.begin(clock.now())
    record = None if logs is None else logs.write
    return LiveEngine(
        policies,
        prices=prices,
        speeds=read_speeds(settings.inventory),
        speed=settings.simulation_speed,
        record=record,
    )


async def _sync_inventory(settings: Settings, writer: Writer[SqlUnitOfWork]) -> None:
    pools, nodes = read_inventory(settings.inventory)
    change = await writer.execute(SyncInventory(pools, nodes))
    _log.info(
        "inventory",
        nodes=len(nodes),
        added=change.added,
        removed=change.removed,
        retired=change.retired,
    )


async def _verifier(settings: Settings, clock: Clock, closing: AsyncExitStack) -> Verifier:
    """Verifies tokens with auth_service's keys, and follows what it revokes until the end."""
    reads = read_only_methods([AUTH_SERVICE])
    channel = connect(settings.auth_target, reads=reads, tls=Tls.of(settings))
    closing.push_async_callback(channel.close)
    password = settings.service_password.get_secret_value()
    identity = GrpcIdentity(channel, settings.service_account, password, clock)
    revocations = Revocations(clock)
    follower = Follower(identity.watch_revocations, revocations, clock, settings.revocation_grace)
    await closing.enter_async_context(looping({"revocations": follower.run}))
    return Verifier(
        identity.fetch_jwks, settings.issuer, settings.audience, clock, revocations=revocations
    )


def _server(
    settings: Settings,
    verifier: Verifier,
    clock: Clock,
    scheduler: SchedulerApi,
    inventory: InventoryApi,
) -> Server:
    services = [SCHEDULER_SERVICE, INVENTORY_SERVICE, ALLOCATION_SERVICE, USAGE_SERVICE]
    access = access_table(services, access_pb2.access)
    edge = Edge(access, verifier, production=settings.production, clock=clock)
    server = Server(edge)
    server.add(
        SCHEDULER_SERVICE,
        scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server,
        scheduler,
    )
    server.add(
        INVENTORY_SERVICE,
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server,
        inventory,
    )
    # Of these two the contract is there and nothing behind it: they answer UNIMPLEMENTED.
    server.add(
        ALLOCATION_SERVICE,
        allocation_service_pb2_grpc.add_AllocationServiceServicer_to_server,
        allocation_service_pb2_grpc.AllocationServiceServicer(),
    )
    server.add(
        USAGE_SERVICE,
        usage_service_pb2_grpc.add_UsageServiceServicer_to_server,
        usage_service_pb2_grpc.UsageServiceServicer(),
    )
    return server
