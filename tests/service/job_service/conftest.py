"""A true job_service on a free port, between tokens and a scheduler that the test commands."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import sqlalchemy as sa

from gpuaas.job.v1 import job_event_pb2, job_pb2, quota_pb2, quota_service_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceStub
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceStub
from gpuaas.job.v1.webhook_service_pb2_grpc import WebhookServiceStub
from job_service.adapters.tables import ACCOUNTS, JOBS, LEDGER, PLUMBING, WEBHOOKS
from job_service.bootstrap import Service, running
from job_service.config import Settings
from servicekit import failpoints, logs, migrations
from servicekit.client import ServiceChannel, connect
from servicekit.clock import Clock
from servicekit.errors import Failure
from servicekit.identity import Role
from tests.service.job_service.scheduler import SchedulerDouble
from tests.tokens import SERVICE_PASSWORD, Identities

if TYPE_CHECKING:
    from gpuaas.job.v1.approval_service_pb2_grpc import ApprovalServiceAsyncStub
    from gpuaas.job.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceAsyncStub
    from gpuaas.job.v1.webhook_service_pb2_grpc import WebhookServiceAsyncStub

Open: TypeAlias = Callable[..., Any]
State = job_pb2.JobState

AUTO = {"auto_approve_gpu_hours": 1000.0, "default_quota_gpu_hours": 1000.0}
"""Settings under which every job is queued at once."""


@dataclass
class House:
    """A running service with a client that speaks for whomever the test names."""

    service: Service
    channel: ServiceChannel
    identities: Identities
    scheduler: SchedulerDouble
    jobs: "JobServiceAsyncStub" = field(init=False)
    quotas: "QuotaServiceAsyncStub" = field(init=False)
    approvals: "ApprovalServiceAsyncStub" = field(init=False)
    webhooks: "WebhookServiceAsyncStub" = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jobs = JobServiceStub(self.channel)
        self.quotas = QuotaServiceStub(self.channel)
        self.approvals = ApprovalServiceStub(self.channel)
        self.webhooks = WebhookServiceStub(self.channel)

    def by(self, username: str) -> dict[str, Any]:
        """What a call by this user takes along; root is an admin."""
        role = Role.ADMIN if username == "root" else Role.USER
        if username not in self.tokens:
            self.tokens[username] = self.identities.token(username, role)
        return {"metadata": [("authorization", f"Bearer {self.tokens[username]}")]}

    async def submit(self, by: str = "ada", **fields: Any) -> job_pb2.Job:
        """Submits a job of one GPU for an hour, and returns it."""
        usual: dict[str, Any] = {"command": "python train.py", "estimated_hours": 1.0}
        request = pb.SubmitJobRequest(**usual | fields)
        return (await self.jobs.SubmitJob(request, **self.by(by))).job

    async def get(self, job_id: str, by: str = "root") -> job_pb2.Job:
        """Gets a job."""
        return (await self.jobs.GetJob(pb.GetJobRequest(job_id=job_id), **self.by(by))).job

    async def listed(self, by: str = "ada", **conditions: Any) -> list[str]:
        """The ids of a user's jobs that match."""
        request = pb.ListJobsRequest(**conditions)
        return [job.id for job in (await self.jobs.ListJobs(request, **self.by(by))).jobs]

    async def approve(self, job_id: str, by: str = "root", **fields: Any) -> job_pb2.Job:
        """Approves a job."""
        request = pb.ApproveJobRequest(job_id=job_id, **fields)
        return (await self.jobs.ApproveJob(request, **self.by(by))).job

    async def reject(self, job_id: str, reason: str = "no", by: str = "root") -> job_pb2.Job:
        """Rejects a job."""
        request = pb.RejectJobRequest(job_id=job_id, reason=reason)
        return (await self.jobs.RejectJob(request, **self.by(by))).job

    async def start(self, job_id: str, by: str = "root") -> job_pb2.Job:
        """Starts a job."""
        return (await self.jobs.StartJob(pb.StartJobRequest(job_id=job_id), **self.by(by))).job

    async def cancel(self, job_id: str, by: str = "ada", **fields: Any) -> job_pb2.Job:
        """Cancels a job."""
        request = pb.CancelJobRequest(job_id=job_id, **fields)
        return (await self.jobs.CancelJob(request, **self.by(by))).job

    async def timeline(self, job_id: str, by: str = "root") -> list[job_event_pb2.JobEvent]:
        """Lists what happened to a job."""
        request = pb.ListJobEventsRequest(job_id=job_id)
        return list((await self.jobs.ListJobEvents(request, **self.by(by))).events)

    async def quota(self, by: str = "ada", **fields: Any) -> quota_pb2.Quota:
        """Gets a quota."""
        request = quota_service_pb2.GetQuotaRequest(**fields)
        return (await self.quotas.GetQuota(request, **self.by(by))).quota

    async def entries(self, by: str = "ada", **fields: Any) -> list[quota_pb2.LedgerEntry]:
        """Lists a quota's entries."""
        request = quota_service_pb2.ListLedgerEntriesRequest(**fields)
        return list((await self.quotas.ListLedgerEntries(request, **self.by(by))).entries)

    def watch(self, by: str = "root", **fields: Any) -> Any:
        """Opens a watch."""
        return self.jobs.WatchJobs(pb.WatchJobsRequest(**fields), **self.by(by))

    async def until(self, job_id: str, *states: Any) -> job_pb2.Job:
        """Watches a job until it is in one of these states, and returns it."""
        stream = self.watch(job_ids=[job_id])
        async with asyncio.timeout(20):
            async for message in stream:
                jobs: list[job_pb2.Job] = [event.job for event in message.events]
                for job in jobs:
                    if job.state in states:
                        stream.cancel()
                        return job
        raise AssertionError("the watch ended")

    async def gpu_types_known(self) -> None:
        """Waits until the service has heard from the scheduler which types there are."""
        async with asyncio.timeout(20):
            while True:
                try:
                    await self.submit(gpu_type="no such type", validate_only=True)
                except Failure as refused:
                    if refused.reason == "GPU_TYPE_UNKNOWN":
                        return
                    raise

    async def stored(self) -> dict[str, int]:
        """How many rows there are of everything that a request could leave behind."""
        tables = [JOBS, ACCOUNTS, LEDGER, WEBHOOKS, PLUMBING.events, PLUMBING.requests]
        return {table.name: await self.count(table) for table in tables}

    async def count(self, table: sa.Table) -> int:
        """How many rows a table has."""
        statement = sa.select(sa.func.count()).select_from(table)
        return int(await self.service.database.read(lambda it: it.execute(statement).scalar_one()))


NOTHING = dict.fromkeys(("jobs", "accounts", "ledger", "webhooks", "events", "requests"), 0)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Logs errors only; whatever failpoint a test switched on is off for the next one."""
    # Loops log every failure that a test arranges; rendered for a terminal, each takes a second.
    logs.configure("job_service", "error")
    yield
    failpoints.configure("")


@pytest.fixture
async def scheduler() -> AsyncIterator[SchedulerDouble]:
    """A scheduler that does what it is told."""
    async with SchedulerDouble() as double:
        yield double


@asynccontextmanager
async def opened(
    identities: Identities, scheduler: SchedulerDouble, url: str, clock: Clock | None, **more: Any
) -> AsyncIterator[House]:
    """A service on this database."""
    settings: dict[str, Any] = {
        "database_url": url,
        "listen": "127.0.0.1:0",
        "writer": "thread",
        "auth_target": identities.target,
        "scheduler_target": scheduler.target,
        "service_password": SERVICE_PASSWORD,
    }
    async with AsyncExitStack() as closing:
        service = await closing.enter_async_context(running(Settings(**settings | more), clock))
        channel = connect(f"127.0.0.1:{service.port}", cap=timedelta(minutes=1))
        await closing.enter_async_context(channel)
        yield House(service, channel, identities, scheduler)


@pytest.fixture
def open_house(sqlite_url: str, identities: Identities, scheduler: SchedulerDouble) -> Open:
    """Opens the service, again and again on the same database, with settings and clock."""
    return opener(sqlite_url, identities, scheduler)


@pytest.fixture
def open_either(database_url: str, identities: Identities, scheduler: SchedulerDouble) -> Open:
    """The same, on each make of database."""
    return opener(database_url, identities, scheduler)


@pytest.fixture
async def house(open_house: Open) -> AsyncIterator[House]:
    """A service on an empty database, where an admin approves every job."""
    async with open_house() as house:
        yield house


@pytest.fixture
async def auto_house(open_house: Open) -> AsyncIterator[House]:
    """A service on an empty database, where every job is queued at once."""
    async with open_house(**AUTO) as house:
        yield house


def opener(url: str, identities: Identities, scheduler: SchedulerDouble) -> Open:
    """Opens services on this database."""
    migrations.upgrade("job_service", url)

    def open_it(clock: Clock | None = None, **settings: Any) -> Any:
        return opened(identities, scheduler, url, clock, **settings)

    return open_it
