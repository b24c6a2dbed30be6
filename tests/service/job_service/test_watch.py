"""WatchJobs and its six promises, each a test by its name."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuaas.job.v1 import job_event_pb2, job_pb2
from job_service.adapters.tables import PLUMBING
from job_service.entrypoints import watching
from servicekit.clock import ManualClock
from servicekit.errors import InvalidArgument, OutOfRange
from servicekit.eventlog import BOOKMARK
from servicekit.tokens import ResumeToken
from tests.service.job_service.conftest import AUTO, House, Open, State

Kind = job_event_pb2.JobEvent
CUTS = 50


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


async def test_a_watch_begins_with_the_unfinished_jobs(house: House) -> None:
    """As they stand, oldest first, without a token but on the last; then come the changes."""
    jobs = [await house.submit() for _ in range(3)]
    await house.reject(jobs[1].id)
    stream = house.watch("ada")
    message = await anext(stream)
    assert [jobs[0].id, jobs[2].id] == [event.job.id for event in message.events]
    assert {Kind.KIND_SNAPSHOT} == {event.kind for event in message.events}
    assert {house.service.log.head} == {event.revision for event in message.events}
    assert ["", message.resume_token] == [event.resume_token for event in message.events]
    assert message.bookmark
    await house.cancel(jobs[0].id)
    [event] = await events_of(stream, 1)
    stream.cancel()
    assert (Kind.KIND_CANCELLED, jobs[0].id) == (event.kind, event.job.id)


async def test_a_large_snapshot_comes_in_parts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cut off before the last part begins anew: only that one has a token."""
    monkeypatch.setattr(watching, "MESSAGE_BYTES", 1)
    ids = [(await house.submit()).id for _ in range(4)]
    stream = house.watch("ada")
    messages = [await anext(stream) for _ in ids]
    stream.cancel()
    assert ids == [message.events[0].job.id for message in messages]
    assert [False, False, False, True] == [bool(message.resume_token) for message in messages]
    assert [False, False, False, True] == [message.bookmark for message in messages]


async def test_snapshot_and_changes_join_without_a_seam(auto_house: House) -> None:
    """Watches opened while jobs come see each job: in the snapshot or as submitted, not in both."""

    async def submit_twenty(by: str) -> None:
        for _ in range(20):
            await auto_house.submit(by)

    submitting = asyncio.gather(*map(submit_twenty, ("ada", "bob", "cyd")))
    opened: list[tuple[Any, list[str]]] = []
    while not submitting.done():
        stream = auto_house.watch()
        first = await anext(stream)
        opened.append((stream, [event.job.id for event in first.events]))
    # Fewer would prove little about what may fall between snapshot and stream.
    assert len(opened) > 10
    for stream, shown in opened:
        while len(shown) < 60:
            events = (await anext(stream)).events
            shown += [event.job.id for event in events if event.kind == Kind.KIND_SUBMITTED]
        stream.cancel()
        assert 60 == len(set(shown))


async def test_named_jobs_are_shown_though_they_ended(house: House) -> None:
    """And no others."""
    ended, other = [(await house.submit()).id for _ in range(2)]
    await house.reject(ended)
    stream = house.watch("ada", job_ids=[ended])
    message = await anext(stream)
    assert [(ended, "REJECTED")] == [(it.job.id, it.job.status) for it in message.events]
    await house.cancel(other)
    third = (await house.submit()).id
    stream.cancel()
    both = house.watch("ada", job_ids=[ended, third])
    assert [ended, third] == [event.job.id for event in (await anext(both)).events]
    both.cancel()


async def test_a_job_that_no_longer_matches_leaves_once(house: House) -> None:
    """As LEFT_FILTER, with the job as it is then; what it does afterwards is not told."""
    waiting = [State.JOB_STATE_PENDING]
    async with watching_jobs(house, "ada", states=waiting) as stream:
        first = await house.submit()
        await house.approve(first.id)
        await house.cancel(first.id)
        second = await house.submit()
        events = await events_of(stream, 3)
    assert [
        (Kind.KIND_SUBMITTED, first.id, State.JOB_STATE_PENDING),
        (Kind.KIND_LEFT_FILTER, first.id, State.JOB_STATE_APPROVED),
        (Kind.KIND_SUBMITTED, second.id, State.JOB_STATE_PENDING),
    ] == [(event.kind, event.job.id, event.job.state) for event in events]
    assert State.JOB_STATE_PENDING == events[1].previous_state


async def test_labels_choose_jobs(house: House) -> None:
    """In the snapshot and afterwards."""
    vision = job_pb2.JobSpec(labels={"team": "vision"})
    old = await house.submit(spec=vision)
    await house.submit()
    stream = house.watch("ada", labels=["team=vision"])
    assert [old.id] == [event.job.id for event in (await anext(stream)).events]
    await house.submit(spec=job_pb2.JobSpec(labels={"team": "speech"}))
    new = await house.submit(spec=vision)
    [event] = await events_of(stream, 1)
    stream.cancel()
    assert new.id == event.job.id


async def test_a_user_sees_own_jobs_only(house: House) -> None:
    """By name or not; an admin sees everybody's, or one user's."""
    mine = await house.submit("ada")
    theirs = await house.submit("bob")
    ada = house.identities.user_id("ada")
    for by, fields, expected in (
        ("ada", {}, [mine.id]),
        ("ada", {"owner_id": ada}, [mine.id]),
        ("ada", {"job_ids": [theirs.id]}, []),
        ("root", {}, [mine.id, theirs.id]),
        ("root", {"owner_id": ada}, [mine.id]),
        ("root", {"team": "default"}, [mine.id, theirs.id]),
        ("root", {"team": "other"}, []),
    ):
        stream = house.watch(by, **fields)
        assert expected == [event.job.id for event in (await anext(stream)).events]
        stream.cancel()


@pytest.mark.parametrize("token", ["x", "IQ", "x" * 5000])
async def test_a_text_that_is_no_token_is_refused(house: House, token: str) -> None:
    """Invented or damaged."""
    with pytest.raises(InvalidArgument) as refused:
        await anext(house.watch(resume_token=token))
    assert "RESUME_TOKEN_INVALID" == refused.value.reason


async def test_a_token_of_another_database_is_refused(house: House) -> None:
    """Its revisions mean other events."""
    with pytest.raises(InvalidArgument) as refused:
        await anext(house.watch(resume_token=ResumeToken(b"another!", 0).encode()))
    assert "RESUME_TOKEN_INVALID" == refused.value.reason


async def test_a_token_beyond_the_end_is_refused(house: House) -> None:
    """As after a restore of an older database: silence would hide what was lost."""
    with pytest.raises(OutOfRange) as refused:
        await anext(house.watch(resume_token=house.service.log.token(7)))
    assert "RESUME_TOKEN_EXPIRED" == refused.value.reason


async def test_a_token_that_is_too_old_is_refused(open_house: Open) -> None:
    """Events after it are no longer kept; one whose events are all there is still good."""
    async with open_house() as house:
        for _ in range(4):
            await house.submit()
        with house.service.database.writing.begin() as connection:
            events = PLUMBING.events
            connection.execute(events.delete().where(events.c.revision <= 2))
            connection.execute(PLUMBING.event_log.update().values(floor=2))
    async with open_house() as house:
        with pytest.raises(OutOfRange) as refused:
            await anext(house.watch(resume_token=house.service.log.token(1)))
        assert "RESUME_TOKEN_EXPIRED" == refused.value.reason
        stream = house.watch(resume_token=house.service.log.token(2))
        assert [3, 4] == [event.revision for event in await events_of(stream, 2)]
        stream.cancel()
