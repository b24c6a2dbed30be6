"""What tests of WatchJobs do: open a watch, read events, make things happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gpuaas.job.v1 import job_event_pb2
from tests.service.job_service.conftest import House


@asynccontextmanager
async def watching_jobs(house: House, by: str = "root", **fields: Any) -> AsyncIterator[Any]:
    """An open watch, past its first message; closed at the end."""
    stream = house.watch(by, **{"skip_snapshot": True, **fields})
    try:
        async with asyncio.timeout(60):
            await anext(stream)
            yield stream
    finally:
        stream.cancel()


async def events_of(stream: Any, count: int) -> list[job_event_pb2.JobEvent]:
    """The next events of a stream, at least so many; bookmarks are passed over."""
    events: list[job_event_pb2.JobEvent] = []
    while len(events) < count:
        events += (await anext(stream)).events
    return events


async def act(house: House, jobs: int) -> int:
    """Submits jobs and cancels every third; returns how many events that makes."""
    made = 0
    for number in range(jobs):
        job = await house.submit(by=f"user{number % 3}", name=f"n{number}")
        made += 3
        if number % 3 == 0:
            await house.cancel(job.id, by="root")
            made += 1
    return made


async def all_at_once(house: House, jobs: int) -> int:
    """Submits jobs together, so that they share commits; returns how many events that makes."""
    await asyncio.gather(*(house.submit(by=f"user{number % 3}") for number in range(jobs)))
    return 3 * jobs
