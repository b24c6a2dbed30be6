"""What a watch shows: snapshots, filters, and tokens that are refused."""

import asyncio
from typing import Any

import pytest

from gpuaas.job.v1 import job_event_pb2, job_pb2
from job_service.adapters.tables import PLUMBING
from job_service.entrypoints import watching
from servicekit.errors import InvalidArgument, OutOfRange
from servicekit.tokens import ResumeToken
from tests.service.job_service.conftest import House, Open, State
from tests.service.job_service.watches import events_of, watching_jobs

Kind = job_event_pb2.JobEvent


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
    opened: list[tuple[Any, list[str]]] = []

    async def submit_meanwhile(by: str) -> int:
        submitted = 0
        # Fewer would prove little about what may fall between snapshot and stream.
        while len(opened) <= 10:
            await auto_house.submit(by)
            submitted += 1
        return submitted

    submitting = asyncio.gather(*map(submit_meanwhile, ("ada", "bob", "cyd")))
    while not submitting.done():
        stream = auto_house.watch()
        first = await anext(stream)
        opened.append((stream, [event.job.id for event in first.events]))
    count = sum(await submitting)
    for stream, shown in opened:
        while len(shown) < count:
            events = (await anext(stream)).events
            shown += [event.job.id for event in events if event.kind == Kind.KIND_SUBMITTED]
        stream.cancel()
        assert count == len(set(shown))


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
