"""Where a watch's snapshot meets its stream, on both databases."""

import asyncio
from collections.abc import Sequence

from gpuaas.job.v1.job_service_pb2 import WatchJobsResponse
from job_service.adapters.documents import decode_event
from job_service.adapters.reader import SqlReader
from job_service.application.ports import JobQuery
from job_service.domain.job import Job
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.clock import SystemClock
from tests.contract.job_service.conftest import Store
from tests.fakes.jobs import submit_command

EVERYTHING = Filter(JobQuery(), frozenset())


async def test_what_overtakes_the_snapshot_comes_after_it(database_store: Store) -> None:
    """A job that is submitted between the snapshot and the stream is in the stream."""
    assert database_store.storage is not None
    storage = database_store.storage

    class Overtaken(SqlReader):
        async def snapshot(self, query: JobQuery, job_ids: Sequence[str]) -> tuple[int, list[Job]]:
            taken = await super().snapshot(query, job_ids)
            await database_store.run(submit_command("j2"))
            return taken

    await database_store.run(submit_command("j1"))
    reader = Overtaken(storage.database)
    watch = JobWatch(reader, storage.log, decode_event, SystemClock())
    messages = watch.follow(EVERYTHING, "", snapshot=True)
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
        first = WatchJobsResponse.FromString((await anext(messages)).message)
        following = asyncio.ensure_future(anext(messages))
        await database_store.run(submit_command("j2"))
        second = WatchJobsResponse.FromString((await following).message)
    assert [["j1"], ["j2"]] == [[event.job.id for event in it.events] for it in (first, second)]
