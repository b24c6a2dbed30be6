"""The promises of WatchEvents, each under its name."""

import asyncio
import random
from contextlib import aclosing
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1 import workload_pb2
from scheduler_service.adapters.documents import decode_event
from scheduler_service.adapters.tables import PLUMBING
from scheduler_service.entrypoints.watch import EventFeed
from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.errors import InvalidArgument, OutOfRange
from servicekit.eventlog import EventLog, trim
from servicekit.tokens import ResumeToken
from servicekit.transaction import Transaction
from servicekit.wire import Encoded
from tests.databases import threaded
from tests.service.scheduler_service.conftest import ENDED, House, Kind, Open, workload

CUTS = 50
WORKLOADS = 300


async def some_history(house: House) -> list[workload_pb2.WorkloadEvent]:
    """Three hundred lives in small batches, and all of their events."""
    ids = [f"w{number}" for number in range(WORKLOADS)]
    for at in range(0, WORKLOADS, 20):
        await house.enqueue(*(workload(each) for each in ids[at : at + 20]))
    await house.ended(ids)
    return await house.watch(lambda events: len(events) == 3 * WORKLOADS)


async def test_ordered_and_unique(house: House) -> None:
    """Revisions rise by one, each once, and a workload's events are in the order of its life."""
    events = await some_history(house)
    assert list(range(1, 3 * WORKLOADS + 1)) == [event.revision for event in events]
    lives: dict[str, list[Any]] = {}
    for event in events:
        lives.setdefault(event.workload_id, []).append(event.kind)
    life = [Kind.KIND_QUEUED, Kind.KIND_STARTED, Kind.KIND_FINISHED]
    assert [life] * WORKLOADS == list(lives.values())


async def test_atomic(house: House) -> None:
    """What one change did comes in one message, though a message is full in the midst of it."""
    await house.enqueue(workload("odd"))
    await house.ended(["odd"])
    ids = [f"w{number}" for number in range(400)]
    await house.cancel(*ids)
    await house.enqueue(*(workload(each) for each in ids))
    sizes = []
    async for message in house.scheduler.WatchEvents(pb.WatchEventsRequest()):
        sizes.append(len(message.events))
        assert Kind.KIND_QUEUED == message.events[0].kind
        if sum(sizes) == 803:
            break
    assert [501, 302] == sizes


async def test_reliable(house: House) -> None:
    """Watchers that come before, during and after see the same events."""
    early = asyncio.create_task(house.watch(lambda events: len(events) == 3 * WORKLOADS))
    late = await some_history(house)
    assert late == await early


async def test_resumable_though_cut_at_random(house: House) -> None:
    """A watch that is cut fifty times, between and within messages, sees every revision once."""
    chance = random.Random(7)
    history = asyncio.create_task(some_history(house))
    seen: list[workload_pb2.WorkloadEvent] = []
    token, cuts = "", 0
    while len(seen) < 3 * WORKLOADS:
        stream = house.scheduler.WatchEvents(pb.WatchEventsRequest(resume_token=token))
        async for message in stream:
            kept = chance.randint(1, 25) if cuts < CUTS else len(message.events)
            seen += message.events[:kept]
            if kept < len(message.events):
                token = message.events[kept - 1].resume_token
            else:
                token = message.resume_token
            if cuts < CUTS or len(seen) == 3 * WORKLOADS:
                cuts += 1
                stream.cancel()
                break
    assert cuts >= CUTS
    assert list(range(1, 3 * WORKLOADS + 1)) == [event.revision for event in seen]
    assert seen == await history


async def test_resumable_after_a_restart(open_house: Open) -> None:
    """The service's own end ends the stream; its token is good at the next one."""
    async with open_house() as house:
        await house.enqueue(workload("a"))
        first = await house.watch(lambda events: len(events) == 3)
    async with open_house() as house:
        await house.enqueue(workload("b"))
        token = first[-1].resume_token
        second = await house.watch(lambda events: len(events) == 3, resume_token=token)
    assert [4, 5, 6] == [event.revision for event in second]


async def test_bookmarkable(house: House) -> None:
    """When nothing happens a bookmark comes, and a stream resumes behind it."""
    await house.enqueue(workload("a"))
    await house.ended(["a"])
    log = EventLog(house.service.database, PLUMBING)
    await log.open()
    feed = EventFeed(log, decode_event, SystemClock(), bookmark=timedelta(milliseconds=50))
    async with aclosing(feed.messages("", ())) as messages:  # type: ignore[type-var]
        assert 3 == len(_read(await anext(messages)).events)
        bookmark = _read(await anext(messages))
    await log.close()
    assert (True, 0) == (bookmark.bookmark, len(bookmark.events))
    await house.enqueue(workload("b"))
    events = await house.watch(lambda it: len(it) == 3, resume_token=bookmark.resume_token)
    assert {"b"} == {event.workload_id for event in events}


async def test_only_the_workloads_asked_for(house: House) -> None:
    """Others are left out, and the token still moves past them."""
    await house.enqueue(workload("a"), workload("b"))
    await house.ended(["a", "b"])
    request = pb.WatchEventsRequest(workload_ids=["b"])
    events: list[workload_pb2.WorkloadEvent] = []
    async for message in house.scheduler.WatchEvents(request):
        events += message.events
        if events[-1].kind in ENDED:
            break
    assert ["b"] * 3 == [event.workload_id for event in events]


@pytest.mark.parametrize("token", ["nonsense", ResumeToken(b"another!", 1).encode()])
async def test_a_foreign_token_is_refused(house: House, token: str) -> None:
    """One that is damaged, and one that another log gave."""
    with pytest.raises(InvalidArgument) as raised:
        await house.watch(bool, resume_token=token)
    assert "RESUME_TOKEN_INVALID" == raised.value.reason


def _read(encoded: Encoded) -> pb.WatchEventsResponse:
    return pb.WatchEventsResponse.FromString(encoded.message)


class Trim:
    """Throws away the beginning of the log."""

    name: ClassVar[str] = "test.trim"

    def run(self, unit: Transaction) -> None:
        """Keeps only what came after the second revision."""
        trim(unit, PLUMBING, 2)


async def test_a_token_that_is_too_old_is_refused(open_house: Open, sqlite_url: str) -> None:
    """And so is the start of a log whose beginning is gone; a newer token is good."""
    async with open_house() as house:
        await house.enqueue(workload("a"))
        events = await house.watch(lambda it: len(it) == 3)
    await _trim(sqlite_url)
    async with open_house() as house:
        for token in ("", events[0].resume_token):
            with pytest.raises(OutOfRange) as raised:
                await house.watch(bool, resume_token=token)
            assert "RESUME_TOKEN_EXPIRED" == raised.value.reason
        token = events[1].resume_token
        assert events[2:] == await house.watch(bool, resume_token=token)


async def _trim(url: str) -> None:
    database = Database(url)
    log = EventLog(database, PLUMBING)
    await log.open()
    writer = threaded(database, log, PLUMBING, lambda transaction: transaction)
    await writer.start()
    await writer.execute(Trim())
    await writer.stop()
    await log.close()
    database.close()
