"""Changes committed in the writer's own process: what travels there and back, and its one fate."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from job_service.adapters.tables import PLUMBING
from job_service.adapters.unit import SqlUnitOfWork
from job_service.application.commands.acting import Caller, Policy
from job_service.application.commands.cancelling import CancelJob
from job_service.application.commands.submitting import SubmitJob
from job_service.config import Settings
from job_service.domain.approval import Rules
from job_service.domain.errors import QuotaExceeded
from job_service.domain.job import Owner
from job_service.domain.spec import JobSpec, ResourceSpec
from servicekit import migrations
from servicekit.clock import SystemClock
from servicekit.commits import Defect
from servicekit.ids import new_id
from servicekit.storage import Storage, opened
from servicekit.values import replace


def submit(hours: int) -> SubmitJob:
    """A submit by somebody who has two GPU-hours."""
    policy = Policy(2 * 3_600_000, Rules(), auto_start=True)
    runtime = timedelta(hours=hours)
    spec = JobSpec("python train.py", ResourceSpec(), runtime, runtime)
    owner = Owner("1", "ada", "default")
    return SubmitJob(new_id(), new_id(), owner, spec, policy, SystemClock().now())


async def test_answers_failures_and_events_travel(database_url: str) -> None:
    """An answer, a refusal with its facts, and the events are as if made in this process."""
    migrations.upgrade("job_service", database_url)
    settings = Settings(database_url=database_url)
    storing = opened("job_service", settings, PLUMBING, SqlUnitOfWork, SystemClock())
    async with storing as storage:
        job = await storage.writer.execute(submit(hours=1))
        with pytest.raises(QuotaExceeded) as refused:
            await storage.writer.execute(submit(hours=2))
        events = await storage.log.read(0)

    assert [(event.kind, event.subject) for event in events] == [("SUBMITTED", job.id)]
    assert refused.value.metadata["left_gpu_hours"] == "1.0000"


async def test_a_command_that_cannot_travel_is_told_and_the_next_one_runs(sqlite_url: str) -> None:
    """The writer is not stuck behind it."""
    migrations.upgrade("job_service", sqlite_url)
    settings = Settings(database_url=sqlite_url)
    clock = SystemClock()
    async with opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage:
        stuck = replace(submit(hours=1), policy=lambda: None)
        with pytest.raises(Defect, match="cannot travel"):
            await storage.writer.execute(stuck)
        assert "PENDING" == (await storage.writer.execute(submit(hours=1))).state


async def test_large_groups_pass_each_other(sqlite_url: str) -> None:
    """Groups and answers larger than a socket holds: neither side waits for the other to read."""
    migrations.upgrade("job_service", sqlite_url)
    settings = Settings(database_url=sqlite_url)
    clock = SystemClock()
    small = submit(hours=1)
    policy = replace(small.policy, monthly_allowance=10**9)
    large = [
        replace(
            small,
            job_id=new_id(),
            run_id=new_id(),
            spec=replace(small.spec, command=f"{number:060000}"),
            policy=policy,
        )
        for number in range(80)
    ]
    async with opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage:
        async with asyncio.timeout(60):
            first = [asyncio.create_task(storage.writer.execute(it)) for it in large[:40]]
            while not storage.writer._groups:  # noqa: ASYNC110
                await asyncio.sleep(0)
            second = [asyncio.create_task(storage.writer.execute(it)) for it in large[40:]]
            jobs = await asyncio.gather(*first, *second)
    assert [it.job_id for it in large] == [job.id for job in jobs]


async def test_a_defect_brings_its_traceback_along(sqlite_url: str) -> None:
    """What a command did not mean to raise names the line that raised it."""
    migrations.upgrade("job_service", sqlite_url)
    settings = Settings(database_url=sqlite_url)
    clock = SystemClock()
    async with opened("job_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage:
        with pytest.raises(Defect, match="in _job"):
            await _execute_defect(storage)
        assert "PENDING" == (await storage.writer.execute(submit(hours=1))).state


async def _execute_defect(storage: Storage[SqlUnitOfWork]) -> None:
    job = await storage.writer.execute(submit(hours=1))
    nobody: Caller = None  # type: ignore[assignment]
    await storage.writer.execute(CancelJob(job.id, nobody, SystemClock().now(), ""))


def test_the_service_ends_with_its_writer(tmp_path: Path) -> None:
    """When the writer's process is killed, the service ends too, and leaves nothing behind."""
    environment = {
        **os.environ,
        "GPUAAS_JOB_DATABASE_URL": f"sqlite:///{tmp_path}/job.db",
        "GPUAAS_JOB_LISTEN": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "job_service"]
    subprocess.run([*command, "migrate"], env=environment, check=True, capture_output=True)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            lines = (orjson.loads(line) for line in process.stderr)
            assert next(line for line in lines if "port" in line)
            threads = Path(f"/proc/{process.pid}/task").glob("*/children")
            [writer] = (int(child) for it in threads for child in it.read_text().split())
            os.kill(writer, signal.SIGKILL)
            assert 1 == process.wait(20)
        finally:
            process.kill()
