"""Two hundred clients at the quota's edge: with a service that is killed, and with two of them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import orjson
import pytest

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceStub
from job_service.adapters.ledger_check import check
from job_service.adapters.tables import JOBS
from job_service.domain.ledger import of_user
from job_service.domain.quantity import period_of
from servicekit import migrations
from servicekit.client import ServiceChannel, connect
from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.errors import FailedPrecondition, Failure
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import Open, opener
from tests.service.job_service.scheduler import SchedulerDouble
from tests.service.job_service.test_quota import set_quota
from tests.tokens import SERVICE_PASSWORD, Identities

CLIENTS, FIT = 200, 50
QUARTERS: dict[str, Any] = {"command": "x", "estimated_hours": 0.25}


def rows_and_books(url: str, owner_id: str) -> tuple[int, int, str]:
    """Jobs stored, what their owner's account holds, and the first row that is wrong."""
    database = Database(url)
    try:
        jobs = database.read_now(lambda it: len(it.execute(JOBS.select()).all()))
        period = period_of(SystemClock().now())
        text = "SELECT reserved FROM accounts WHERE subject = '{}' AND period = '{}'"
        held = database.read_now(
            lambda it: it.exec_driver_sql(text.format(of_user(owner_id), period)).scalar_one()
        )
        return jobs, held, database.read_now(check).flaw
    finally:
        database.close()


def checked_by_command(environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and the words of the checker, run beside the service."""
    command = [sys.executable, "-m", "job_service", "check-ledger"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout


@asynccontextmanager
async def serving(
    environment: dict[str, str],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, ServiceChannel]]:
    """A process, with its writer in a group of their own, and a channel to it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "job_service"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr
    port = 0
    async for line in process.stderr:
        if port := orjson.loads(line).get("port", 0):
            break
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield process, channel
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def submit_all(
    channel: ServiceChannel, requests: Sequence[pb.SubmitJobRequest], identities: Identities
) -> list[asyncio.Task[pb.SubmitJobResponse]]:
    """Every request by a client of its own, none waiting for another."""
    stub, metadata = JobServiceStub(channel), identities.metadata("ada")

    async def submit(request: pb.SubmitJobRequest) -> pb.SubmitJobResponse:
        return await stub.SubmitJob(request, metadata=metadata)

    return [asyncio.create_task(submit(request)) for request in requests]


async def first_success(submits: Iterable[asyncio.Task[Any]]) -> None:
    """Returns as soon as one of them is answered, which need not be the first that is over."""
    for over in asyncio.as_completed(submits):
        with suppress(Failure):
            await over
            return


@pytest.mark.parametrize("killed", ["service", "service and writer"])
async def test_a_kill_at_the_quotas_edge_leaves_nothing_reserved_without_a_job(
    database_url: str, identities: Identities, scheduler: SchedulerDouble, killed: str
) -> None:
    """What was answered stands, what was not can be repeated, and not one hour goes over."""
    migrations.upgrade("job_service", database_url)
    environment = {
        **os.environ,
        "GPUAAS_JOB_DATABASE_URL": database_url,
        "GPUAAS_JOB_LISTEN": "127.0.0.1:0",
        "GPUAAS_JOB_AUTH_TARGET": identities.target,
        "GPUAAS_JOB_SCHEDULER_TARGET": scheduler.target,
        "GPUAAS_JOB_SERVICE_PASSWORD": SERVICE_PASSWORD,
        "GPUAAS_JOB_DEFAULT_QUOTA_GPU_HOURS": str(FIT / 4),
        # Groups take a while, so that the kill strikes while one is on its way.
        "GPUAAS_JOB_FAILPOINTS": "job.submit.before_commit=delay(300)",
    }
    requests = [pb.SubmitJobRequest(**QUARTERS, request_id=str(uuid4())) for _ in range(CLIENTS)]
    async with serving(environment) as (process, channel):
        first = await submit_all(channel, requests[:20], identities)
        rest = await submit_all(channel, requests[20:], identities)
        await first_success([*first, *rest])
        if killed == "service":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        answers = await asyncio.gather(*first, *rest, return_exceptions=True)
    before = {
        request.request_id: answer.job.id
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, pb.SubmitJobResponse)
    }
    assert 0 < len(before) < CLIENTS, "the kill came too early or too late"

    environment["GPUAAS_JOB_FAILPOINTS"] = ""
    async with serving(environment) as (_, channel):
        repeated = await submit_all(channel, requests, identities)
        again = await asyncio.gather(*repeated, return_exceptions=True)
        code, told = await asyncio.to_thread(checked_by_command, environment)
    after = {
        request.request_id: answer.job.id
        for request, answer in zip(requests, again, strict=True)
        if isinstance(answer, pb.SubmitJobResponse)
    }
    refused = [answer for answer in again if isinstance(answer, Failure)]
    assert {"QUOTA_EXCEEDED"} == {failure.reason for failure in refused}
    assert (FIT, CLIENTS - FIT) == (len(after), len(refused))
    assert before.items() <= after.items()
    assert FIT == len(set(after.values()))
    assert (0, True) == (code, told.startswith("sound: ")), told
    found = rows_and_books(database_url, identities.user_id("ada"))
    assert (FIT, FIT * HOUR // 4, "") == found


async def test_two_replicas_share_one_quota(
    postgres_url: str, identities: Identities, scheduler: SchedulerDouble, open_replica: Open
) -> None:
    """Of a user, and of a team with many members: exactly as many as fit, whoever was asked."""
    settings = {"default_quota_gpu_hours": FIT / 4}
    async with open_replica(**settings) as one, open_replica(**settings) as other:
        houses = [one, other]
        submits = (houses[it % 2].submit(estimated_hours=0.25) for it in range(CLIENTS))
        answers = await asyncio.gather(*submits, return_exceptions=True)
        assert FIT == sum(isinstance(answer, job_pb2.Job) for answer in answers)
        refused = [answer for answer in answers if isinstance(answer, FailedPrecondition)]
        assert CLIENTS - FIT == len(refused)

        await set_quota(one, team="engines", limit_gpu_hours=FIT / 4)
        users = [f"user{number}" for number in range(20)]
        for user in users:
            for house in houses:
                house.tokens[user] = identities.token(user, team="engines")
        submits = (
            houses[it % 2].submit(users[it % len(users)], estimated_hours=0.25)
            for it in range(CLIENTS)
        )
        answers = await asyncio.gather(*submits, return_exceptions=True)
        assert FIT == sum(isinstance(answer, job_pb2.Job) for answer in answers)
        assert 0.0 == (await other.quota("root", team="engines")).left_gpu_hours
        assert "" == one.service.database.read_now(check).flaw


@pytest.fixture
def open_replica(postgres_url: str, identities: Identities, scheduler: SchedulerDouble) -> Open:
    """Opens the service, twice at once on the same database."""
    return opener(postgres_url, identities, scheduler)
