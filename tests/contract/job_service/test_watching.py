"""Where a watch's snapshot meets its stream, on both databases."""

import asyncio
from typing import Any

import pytest

from gpuaas.job.v1.job_service_pb2 import WatchJobsResponse
from job_service.adapters.documents import decode_event
from job_service.adapters.reader import SqlReader
from job_service.application.ports import JobQuery
from job_service.domain.job import Job
from job_service.entrypoints import watching
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.clock import SystemClock
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import approve_command, cancel_command, later, submit_command

EVERYTHING = Filter(JobQuery(), frozenset())


async def test_what_overtakes_the_snapshot_comes_after_it(database_store: Store) -> None:
    """A job that is submitted between the snapshot and the stream is in the stream."""
    assert database_store.storage is not None
    storage = database_store.storage

    class Overtaken(SqlReader):
        async def snapshot(self, *asked: Any) -> tuple[int, list[Job]]:
            taken = await super().snapshot(*asked)
            await database_store.run(submit_command("j2"))
            return taken

    await database_store.run(submit_command("j1"))
    reader = Overtaken(storage.database)
    watch = JobWatch(reader, storage.log, decode_event, SystemClock())
    messages = watch.follow(EVERYTHING, "", snapshot=True)
    async with asyncio.timeout(10):
        first, second = [
            WatchJobsResponse.FromString((await anext(messages)).message) for _ in range(2)
        ]
    assert [["j1"], ["j2"]] == [[event.job.id for event in it.events] for it in (first, second)]
    assert [1, 2] == [it.events[0].revision for it in (first, second)]


async def test_what_a_replica_wrote_is_in_the_snapshot_and_not_in_the_stream(
    database_store: Store,
) -> None:
    """Though this process's log has not heard of it yet."""
    assert database_store.storage is not None
    storage = database_store.storage
    await database_store.run(submit_command("j1"))
    # As if the newest event had come from elsewhere: on disk, and not in memory.
    storage.log.head = 0
    storage.log._tail.clear()
    reader = SqlReader(storage.database)
    watch = JobWatch(reader, storage.log, decode_event, SystemClock())
    messages = watch.follow(EVERYTHING, "", snapshot=True)
    async with asyncio.timeout(10):
        first = WatchJobsResponse.FromString((await anext(messages)).message)
        following = asyncio.ensure_future(anext(messages))
        await database_store.run(submit_command("j2"))
        second = WatchJobsResponse.FromString((await following).message)
    assert [["j1"], ["j2"]] == [[event.job.id for event in it.events] for it in (first, second)]


async def test_what_happens_between_two_pages_of_a_snapshot_is_told_once(
    database_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its page if that is read later, else as a change; nothing is left out."""
    assert database_store.storage is not None
    monkeypatch.setattr(watching, "PAGE", 2)
    storage, run = database_store.storage, database_store.run

    class Interrupted(SqlReader):
        pages = 0

        async def snapshot(self, *asked: Any) -> tuple[int, list[Job]]:
            taken = await super().snapshot(*asked)
            self.pages += 1
            if self.pages == 1:
                for job_id in ("a", "b2", "c"):
                    await run(cancel_command(job_id))
                await run(submit_command("b", now=later(0.5)))
                await run(submit_command("f", now=later(6)))
                await run(approve_command("d"))
            return taken

    for second, name in enumerate(["a", "b2", "c", "d", "e"]):
        await run(submit_command(name, now=later(second)))
    watch = JobWatch(Interrupted(storage.database), storage.log, decode_event, SystemClock())
    messages = watch.follow(EVERYTHING, "", snapshot=True)
    told: list[tuple[str, str]] = []
    tokens = []
    async with asyncio.timeout(30):
        while ("PENDING", "g") not in told:
            message = WatchJobsResponse.FromString((await anext(messages)).message)
            told += [(it.job.status, it.job.id) for it in message.events]
            tokens.append(bool(message.resume_token))
            if message.bookmark:
                await run(submit_command("g", now=later(7)))
    # First the page as it was; then those as of later, with what was approved, but not what ended;
    # then what the first page could not have.
    assert "PENDING a, PENDING b2, QUEUED d, PENDING e, PENDING f" == _words(told[:5])
    assert "CANCELLED a, CANCELLED b2, PENDING b, PENDING g" == _words(told[5:])
    assert [False, False, True] == tokens[:3]


def _words(told: list[tuple[str, str]]) -> str:
    return ", ".join(f"{state} {name}" for state, name in told)
