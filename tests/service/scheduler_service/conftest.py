"""A true scheduler_service on a free port, and what tests ask of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from gpuaas.scheduler.v1 import inventory_service_pb2, workload_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1.inventory_service_pb2_grpc import InventoryServiceStub
from gpuaas.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from scheduler_service.bootstrap import SCHEDULER_SERVICE, Service, running
from scheduler_service.config import Settings
from servicekit import logs, migrations
from servicekit.client import ServiceChannel, connect, read_only_methods
from servicekit.identity import Role
from tests.tokens import SERVICE_PASSWORD, Identities

if TYPE_CHECKING:
    from gpuaas.scheduler.v1.inventory_service_pb2_grpc import InventoryServiceAsyncStub
    from gpuaas.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceAsyncStub

__all__ = ["identities"]
from tests.tokens import identities

Kind = workload_pb2.WorkloadEvent
ENDED = {Kind.KIND_FINISHED, Kind.KIND_CANCELLED, Kind.KIND_REFUSED}

Open: TypeAlias = Callable[..., Any]


@dataclass
class House:
    """A running service with a client that has the role SERVICE."""

    service: Service
    channel: ServiceChannel
    identities: Identities
    scheduler: "SchedulerServiceAsyncStub" = field(init=False)
    inventory: "InventoryServiceAsyncStub" = field(init=False)

    def __post_init__(self) -> None:
        self.scheduler = SchedulerServiceStub(self.channel)
        self.inventory = InventoryServiceStub(self.channel)

    async def enqueue(self, *workloads: workload_pb2.Workload) -> list[pb.EnqueueResult]:
        """Queues workloads in one batch."""
        request = pb.BatchEnqueueWorkloadsRequest(workloads=workloads)
        return list((await self.scheduler.BatchEnqueueWorkloads(request)).results)

    async def cancel(self, *workload_ids: str) -> list[pb.CancelWorkloadResult]:
        """Cancels workloads in one batch."""
        request = pb.BatchCancelWorkloadsRequest(workload_ids=workload_ids)
        return list((await self.scheduler.BatchCancelWorkloads(request)).results)

    async def get(self, workload_id: str) -> workload_pb2.Workload:
        """Gets one workload."""
        request = pb.GetWorkloadRequest(workload_id=workload_id)
        return (await self.scheduler.GetWorkload(request)).workload

    async def pools(self) -> dict[str, Any]:
        """The pools by name; the scheduler answers when its engine is there."""
        answer = await self.inventory.ListPools(inventory_service_pb2.ListPoolsRequest())
        return {pool.name: pool for pool in answer.pools}

    async def watch(
        self,
        until: Callable[[list[workload_pb2.WorkloadEvent]], bool],
        resume_token: str = "",
    ) -> list[workload_pb2.WorkloadEvent]:
        """Collects events until they are what was waited for."""
        events: list[workload_pb2.WorkloadEvent] = []
        request = pb.WatchEventsRequest(resume_token=resume_token)
        async with asyncio.timeout(20):
            async for message in self.scheduler.WatchEvents(request):
                events += message.events
                if until(events):
                    return events
        raise AssertionError("the stream ended")

    async def ended(self, workload_ids: Iterable[str]) -> dict[str, workload_pb2.WorkloadEvent]:
        """The last event of each of these workloads, once all have ended."""
        wanted = set(workload_ids)
        found: dict[str, workload_pb2.WorkloadEvent] = {}

        def all_ended(events: list[workload_pb2.WorkloadEvent]) -> bool:
            found.update((it.workload_id, it) for it in events if it.kind in ENDED)
            return wanted <= found.keys()

        await self.watch(all_ended)
        return {workload_id: found[workload_id] for workload_id in wanted}


def workload(workload_id: str, seconds: float = 0, **fields: Any) -> workload_pb2.Workload:
    """A workload of one device that runs for so many virtual seconds."""
    message = workload_pb2.Workload(id=workload_id, job_id=f"job of {workload_id}", **fields)
    message.simulation.duration.FromTimedelta(timedelta(seconds=seconds))
    return message


def seen(*kinds: Any, of: str) -> Callable[[list[workload_pb2.WorkloadEvent]], bool]:
    """A condition: exactly these kinds of event came for one workload."""
    return lambda events: [it.kind for it in events if it.workload_id == of] == list(kinds)


@asynccontextmanager
async def opened(identities: Identities, url: str, **settings: Any) -> AsyncIterator[House]:
    """A service on this database."""
    defaults: dict[str, Any] = {
        "database_url": url,
        "listen": "127.0.0.1:0",
        "writer": "thread",
        "auth_target": identities.target,
        "service_password": SERVICE_PASSWORD,
    }

    async def token() -> str:
        return identities.token("job-service", Role.SERVICE)

    async with AsyncExitStack() as closing:
        service = await closing.enter_async_context(running(Settings(**defaults | settings)))
        reads = read_only_methods([SCHEDULER_SERVICE])
        channel = connect(f"127.0.0.1:{service.port}", reads=reads, token=token)
        await closing.enter_async_context(channel)
        yield House(service, channel, identities)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Keeps what is expected to fail here out of the output; drawing tracebacks takes seconds."""
    logs.configure("scheduler_service", "error")


@pytest.fixture
def open_house(sqlite_url: str, identities: Identities) -> Open:
    """Opens the service, again and again on the same database, with settings."""
    migrations.upgrade("scheduler_service", sqlite_url)
    return lambda **settings: opened(identities, sqlite_url, **settings)


@pytest.fixture
def open_on_each(database_url: str, identities: Identities) -> Open:
    """The same, once on each make of database."""
    migrations.upgrade("scheduler_service", database_url)
    return lambda **settings: opened(identities, database_url, **settings)


@pytest.fixture
async def house(open_house: Open) -> AsyncIterator[House]:
    """A service on an empty database with the packaged inventory."""
    async with open_house() as house:
        yield house


@pytest.fixture
def inventory(tmp_path: Path) -> Callable[[str], Path]:
    """Writes an inventory file."""

    def write(text: str) -> Path:
        path = tmp_path / "inventory.toml"
        path.write_text(text)
        return path

    return write
