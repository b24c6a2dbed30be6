"""The six promises of WatchJobs, each a test by its name."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuaas.job.v1 import job_event_pb2
from job_service.entrypoints import watching
from servicekit.clock import ManualClock
from servicekit.eventlog import BOOKMARK
from tests.service.job_service.conftest import AUTO, House, Open, State
from tests.service.job_service.watches import act, all_at_once, events_of, watching_jobs

Kind = job_event_pb2.JobEvent
CUTS = 50


@pytest.mark.parametrize("acting", [act, all_at_once])
async def test_ordered(auto_house: House, acting: Callable[[House, int], Awaitable[int]]) -> None:
    """Events come in the order of their revisions, whoever else watches."""
    async with watching_jobs(auto_house) as one, watching_jobs(auto_house) as other:
        count = await acting(auto_house, 30)
        for stream in (one, other):
            revisions = [event.revision for event in await events_of(stream, count)]
            assert list(range(1, count + 1)) == revisions


async def test_unique(auto_house: House) -> None:
    """No event comes twice on one stream, nor two under one id or token."""
    async with watching_jobs(auto_house) as stream:
        count = await act(auto_house, 30)
        events = await events_of(stream, count)
        # Had anything been repeated, it would come before this last one.
        last = await auto_house.submit()
        events += await events_of(stream, 3)
    assert [last.id] * 3 == [event.job.id for event in events[-3:]]
    for key in ("revision", "id", "resume_token"):
        assert count + 3 == len({getattr(event, key) for event in events}), key


async def test_atomic(auto_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All events of one change come in the same message, however small messages are."""
    monkeypatch.setattr(watching, "MESSAGE_BYTES", 1)
    async with watching_jobs(auto_house) as stream:
        count = await all_at_once(auto_house, 40)
        seen = 0
        while seen < count:
            message = await anext(stream)
            kinds = [event.kind for event in message.events]
            assert [Kind.KIND_SUBMITTED, Kind.KIND_APPROVED, Kind.KIND_QUEUED] == kinds
            assert 1 == len({event.job.id for event in message.events})
            assert message.events[-1].resume_token == message.resume_token
            seen += len(kinds)


async def test_reliable(auto_house: House) -> None:
    """No matching event is left out: the stream tells what every job went through."""
    async with watching_jobs(auto_house) as stream:
        count = await act(auto_house, 30)
        events = await events_of(stream, count)
    stories: dict[str, list[Any]] = {}
    for event in events:
        stories.setdefault(event.job.id, []).append(event)
    assert 30 == len(stories)
    for job_id, story in stories.items():
        assert list(range(1, len(story) + 1)) == [event.job.version for event in story]
        assert story[-1].job == await auto_house.get(job_id)
        states = [State.JOB_STATE_UNSPECIFIED, *(event.job.state for event in story)]
        assert states[:-1] == [event.previous_state for event in story]


async def test_resumable(auto_house: House) -> None:
    """A watch cut fifty times at random sees every revision once, in order.

    It resumes by the token of a message or of an event in the middle of one.
    """
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    acting = asyncio.ensure_future(act(auto_house, 120))
    seen: list[int] = []
    token = auto_house.service.log.token(0)
    for cut in range(CUTS + 1):
        stream = auto_house.watch(resume_token=token)
        wanted = chance.randint(1, 8) if cut < CUTS else await acting - len(seen)
        async with asyncio.timeout(60):
            events = (await events_of(stream, wanted))[:wanted]
        stream.cancel()
        seen += [event.revision for event in events]
        token = events[-1].resume_token if events else token
    assert await acting == auto_house.service.log.head
    assert list(range(1, auto_house.service.log.head + 1)) == seen


async def test_resumable_after_a_restart(open_house: Open) -> None:
    """A token is as good at the service's next process."""
    async with open_house(**AUTO) as house:
        async with watching_jobs(house) as stream:
            first = (await house.submit()).id
            token = (await events_of(stream, 3))[1].resume_token
        second = (await house.submit()).id
    async with open_house(**AUTO) as house:
        stream = house.watch(resume_token=token)
        events = await events_of(stream, 4)
        stream.cancel()
    assert [3, 4, 5, 6] == [event.revision for event in events]
    assert [first, second, second, second] == [event.job.id for event in events]


async def test_bookmarked(open_house: Open) -> None:
    """While only others' jobs change, a token that is newer comes before 15 seconds are over."""
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock, **AUTO) as house, watching_jobs(house, "ada") as stream:
        last = watched = 0
        for _ in range(6):
            clock.advance(timedelta(seconds=4))
            watched += 4
            await house.submit(by="bob")
            if watched - last >= BOOKMARK.total_seconds() - 5:
                message = await anext(stream)
                assert (True, 0) == (message.bookmark, len(message.events))
                assert house.service.log.head == house.service.log.revision(message.resume_token)
                last = watched
        assert 24 == last


async def test_bookmarked_when_nothing_happens(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bookmarks come by the clock alone, too."""
    monkeypatch.setattr(watching, "GLANCE", timedelta(milliseconds=1))
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock) as house, watching_jobs(house) as stream:
        for _ in range(3):
            clock.advance(BOOKMARK)
            message = await anext(stream)
            assert message.bookmark
            assert house.service.log.token(0) == message.resume_token
