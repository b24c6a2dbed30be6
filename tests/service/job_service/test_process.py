"""The process itself: its two verbs, how it ends, and what it says when it cannot start."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from gpuaas.job.v1 import job_pb2, quota_service_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceStub
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceStub
from servicekit import migrations
from servicekit.client import ServiceChannel, connect
from servicekit.errors import Unavailable
from servicekit.failpoints import CRASH_EXIT_CODE
from servicekit.probe import grpc_is_serving
from tests.fakes.jobs import HOUR
from tests.service.job_service.scheduler import SchedulerDouble, finished
from tests.tokens import SERVICE_PASSWORD, Identities


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings for a process with a database in a folder that does not exist yet."""
    return {
        **os.environ,
        "GPUAAS_JOB_DATABASE_URL": f"sqlite:///{tmp_path}/new/job.db",
        "GPUAAS_JOB_LISTEN": "127.0.0.1:0",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the process to its end."""
    command = [sys.executable, "-m", "job_service", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_migrates_serves_and_stops_when_asked(environment: dict[str, str]) -> None:
    """Migrate, serve until SIGTERM, exit code 0; every line on stderr is a JSON object."""
    assert 0 == run(environment, "migrate").returncode
    command = [sys.executable, "-m", "job_service"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            lines = (orjson.loads(line) for line in process.stderr)
            [port] = itertools.islice((line["port"] for line in lines if "port" in line), 1)
            # A busy machine may take longer than the second that one question has.
            assert any(grpc_is_serving(f"127.0.0.1:{port}") for _ in range(30))
            process.send_signal(signal.SIGTERM)
            assert "draining" in [line["event"] for line in lines]
        finally:
            process.send_signal(signal.SIGTERM)
    assert 0 == process.returncode


def test_a_missing_database_ends_it_with_the_command_to_run(environment: dict[str, str]) -> None:
    """Exit code 2 and one line, no traceback."""
    ended = run(environment)
    assert 2 == ended.returncode
    assert "run `python -m job_service migrate`" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_unknown_arguments_end_it_with_its_usage(environment: dict[str, str]) -> None:
    """Exit code 2 and the usage."""
    ended = run(environment, "serve")
    assert (2, "usage: python -m job_service [migrate | check-ledger]\n") == (
        ended.returncode,
        ended.stderr,
    )


@pytest.fixture
def connected(
    environment: dict[str, str], identities: Identities, scheduler: SchedulerDouble
) -> dict[str, str]:
    """Settings for a process with a database, tokens and a scheduler."""
    migrations.upgrade("job_service", environment["GPUAAS_JOB_DATABASE_URL"])
    return {
        **environment,
        "GPUAAS_JOB_AUTH_TARGET": identities.target,
        "GPUAAS_JOB_SCHEDULER_TARGET": scheduler.target,
        "GPUAAS_JOB_SERVICE_PASSWORD": SERVICE_PASSWORD,
        "GPUAAS_JOB_AUTO_APPROVE_GPU_HOURS": "1",
    }


@asynccontextmanager
async def process(
    environment: dict[str, str], failpoints: str = ""
) -> AsyncIterator[tuple[asyncio.subprocess.Process, ServiceChannel]]:
    """A running process and a channel to it."""
    serving = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "job_service"),
        env={**environment, "GPUAAS_JOB_FAILPOINTS": failpoints},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with connect(f"127.0.0.1:{await _port(serving)}") as channel:
            yield serving, channel
    finally:
        if serving.returncode is None:
            serving.kill()
        await serving.communicate()


async def _port(serving: asyncio.subprocess.Process) -> int:
    """Where the process serves, as its first lines tell."""
    assert serving.stderr
    async for line in serving.stderr:
        port: int | None = orjson.loads(line).get("port")
        if port:
            return port
    raise AssertionError("the process ended")


@pytest.mark.parametrize(
    ("failpoint", "calls"),
    [
        ("rpc.BatchEnqueueWorkloads.before", {1}),
        ("cursor.move.before_commit", {2}),
        ("cursor.move.after_commit", {1}),
        # These two may share their commit with the cursor.
        ("job.follow.before_commit", {1, 2}),
        ("job.follow.after_commit", {1, 2}),
    ],
)
async def test_a_crash_loses_and_doubles_nothing(
    connected: dict[str, str],
    identities: Identities,
    scheduler: SchedulerDouble,
    failpoint: str,
    calls: set[int],
) -> None:
    """Wherever it strikes: one job, the same workload under the same id, settled once.

    Only a crash between the call and the cursor makes the call twice.
    """
    metadata = identities.metadata("ada")
    submit = pb.SubmitJobRequest(command="x", gpu_type="A100", request_id=str(uuid4()))
    async with process(connected, f"{failpoint}=crash") as (serving, channel):
        # The crash may come before the answer does.
        with suppress(Unavailable):
            await JobServiceStub(channel).SubmitJob(submit, metadata=metadata)
        if failpoint.startswith("job.follow"):
            await scheduler.until(lambda: bool(scheduler.ids))
            await scheduler.tell(finished(scheduler.enqueued[0][0], HOUR // 2))
        async with asyncio.timeout(20):
            assert CRASH_EXIT_CODE == await serving.wait()

    async with process(connected) as (_, channel):
        job = (await JobServiceStub(channel).SubmitJob(submit, metadata=metadata)).job
        await scheduler.until(lambda: scheduler.ids[job.current_run.id] >= min(calls))
        if not scheduler.events:
            await scheduler.tell(finished(scheduler.by_job[job.id], HOUR // 2))
        watch = pb.WatchJobsRequest(job_ids=[job.id])
        await _completed(JobServiceStub(channel).WatchJobs(watch, metadata=metadata))
        ask = quota_service_pb2.GetQuotaRequest()
        quota = (await QuotaServiceStub(channel).GetQuota(ask, metadata=metadata)).quota
    [(run_id, count)] = scheduler.ids.items()
    assert job.current_run.id == run_id
    assert count in calls
    assert (0.5, 0.0, 9.5) == (
        quota.used_gpu_hours,
        quota.reserved_gpu_hours,
        quota.left_gpu_hours,
    )


async def _completed(watch: Any) -> None:
    """Watches until a job is completed."""
    async with asyncio.timeout(20):
        async for message in watch:
            if any(event.job.state == job_pb2.JOB_STATE_COMPLETED for event in message.events):
                return
    raise AssertionError("the watch ended")
