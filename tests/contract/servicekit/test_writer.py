"""The writer's promises, on every database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from servicekit import failpoints
from servicekit.errors import Aborted, FailedPrecondition, ResourceExhausted, Unavailable
from servicekit.writer import WAITING
from tests.contract.servicekit.conftest import Add, AddTooMuch, SelectThenRefuse, Service, Tally


async def test_commands_that_wait_together_share_one_commit(service: Service) -> None:
    """A hundred concurrent commands see each other's writes, and each leaves its event."""
    before = service.log.head
    answers = await asyncio.gather(*(service.writer.execute(Add("a", 1)) for _ in range(100)))

    assert sorted(answers) == list(range(1, 101))
    assert await service.values() == {"a": 100}
    assert service.log.head - before == 100


async def test_a_refused_command_leaves_nothing_and_harms_nobody(service: Service) -> None:
    """Writes and events of a command that refuses are undone; its neighbours' stay."""
    answers = await asyncio.gather(
        service.writer.execute(Add("a", 5)),
        service.writer.execute(Add("a", -9)),
        service.writer.execute(Add("b", -1)),
        service.writer.execute(Add("a", 1)),
        return_exceptions=True,
    )

    assert [answers[0], answers[3]] == [5, 6]
    assert [type(answers[1]), type(answers[2])] == [FailedPrecondition, FailedPrecondition]
    assert await service.values() == {"a": 6}
    assert [event.payload for event in await service.log.read(0)] == [b"5", b"1"]


async def test_a_command_that_refuses_after_its_writes_were_sent_is_separated(
    service: Service,
) -> None:
    """The group is run again one by one, so that only the late refusal is lost."""
    answers = await asyncio.gather(
        service.writer.execute(Add("a", 1)),
        service.writer.execute(SelectThenRefuse("a")),
        service.writer.execute(Add("a", 1)),
        return_exceptions=True,
    )

    assert [answers[0], str(answers[1]), answers[2]] == [1, "too late", 2]
    assert await service.values() == {"a": 2}


async def test_a_unique_violation_hits_only_its_own_command(service: Service) -> None:
    """A constraint broken at flush refuses one command; the others of its group commit."""
    answers = await asyncio.gather(
        service.writer.execute(Add("a", 1, label="same")),
        service.writer.execute(Add("b", 1, label="same")),
        service.writer.execute(Add("c", 1, label="other")),
        return_exceptions=True,
    )

    assert [answers[0], type(answers[1]), answers[2]] == [1, Aborted, 1]
    assert await service.values() == {"a": 1, "c": 1}


async def test_a_value_that_no_column_holds_hits_only_its_own_command(service: Service) -> None:
    """What the flush cannot send refuses one command; the others of its group commit."""
    answers = await asyncio.gather(
        service.writer.execute(Add("a", 1)),
        service.writer.execute(AddTooMuch("b")),
        service.writer.execute(Add("c", 1)),
        return_exceptions=True,
    )

    assert [answers[0], isinstance(answers[1], Exception), answers[2]] == [1, True, 1]
    assert await service.values() == {"a": 1, "c": 1}


async def test_a_row_is_inserted_once(service: Service) -> None:
    """Two commands of a group that insert the same row: the second is refused."""
    again = replace(AddTooMuch("a"), value=7)
    answers = await asyncio.gather(
        service.writer.execute(Add("a", 1)), service.writer.execute(again), return_exceptions=True
    )

    assert [answers[0], type(answers[1])] == [1, Aborted]
    assert await service.values() == {"a": 1}


async def test_what_is_added_to_numbers_counts_from_zero_and_then_on(service: Service) -> None:
    """Additions of a group are sent as one, to rows that are there and to rows that are not."""
    await service.writer.execute(Tally("a", even=2))
    await asyncio.gather(
        *(service.writer.execute(Tally("a", even=2, odd=-1)) for _ in range(10)),
        service.writer.execute(Tally("b", odd=7)),
    )

    assert await service.tallies() == {"a": (22, -10), "b": (0, 7)}


async def test_what_a_refused_command_added_is_not_counted(service: Service) -> None:
    """A command that refuses takes back what it added, also to what its neighbours add to."""
    answers = await asyncio.gather(
        service.writer.execute(Tally("a", even=2)),
        service.writer.execute(Tally("a", even=40, odd=1, refuses=True)),
        service.writer.execute(Tally("b", odd=1, refuses=True)),
        service.writer.execute(Tally("a", even=4)),
        return_exceptions=True,
    )

    assert [answers[0], answers[3]] == [None, None]
    assert [type(answers[1]), type(answers[2])] == [FailedPrecondition, FailedPrecondition]
    assert await service.tallies() == {"a": (6, 0)}


async def test_two_replicas_lose_no_update(open_service: Any) -> None:
    """Two writers on one database add to the same counter; every addition counts."""
    one, two = await open_service(), await open_service()
    await asyncio.gather(
        *(each.writer.execute(Add("a", 1)) for _ in range(50) for each in (one, two))
    )

    assert await one.values() == {"a": 100}
    revisions = [event.revision for event in await two.log.read(0) or []]
    while len(revisions) < 100:
        await two.log.poll()
        revisions = [event.revision for event in await two.log.read(0)]
    assert revisions == list(range(1, 101))


async def test_a_change_whose_commit_fails_is_not_made(service: Service) -> None:
    """An error before the commit is told as unavailable, and nothing is stored."""
    failpoints.configure("counter.add.before_commit=error*1")
    with pytest.raises(Unavailable):
        await service.writer.execute(Add("a", 1))

    assert await service.values() == {}
    assert await service.writer.execute(Add("a", 1)) == 1
    failpoints.configure("")


async def test_readers_see_a_change_whose_answer_was_lost(service: Service) -> None:
    """A failure after the commit looks like any other; the change is made, its event arrives."""
    failpoints.configure("counter.add.after_commit=error*1")
    with pytest.raises(Unavailable):
        await service.writer.execute(Add("a", 1))
    await service.log.poll()

    assert await service.values() == {"a": 1}
    assert [event.subject for event in await service.log.read(0)] == ["a"]
    failpoints.configure("")


async def test_too_many_waiting_commands_are_refused(service: Service) -> None:
    """The queue is bounded: what exceeds it is refused at once instead of waiting for ever."""
    answers = await asyncio.gather(
        *(service.writer.execute(Add("a", 1)) for _ in range(3 * WAITING)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, ResourceExhausted)]

    assert refused
    assert await service.values() == {"a": 3 * WAITING - len(refused)}


async def test_stopping_finishes_what_waits_and_refuses_the_rest(service: Service) -> None:
    """Every accepted command is answered before the writer ends."""
    accepted = [asyncio.ensure_future(service.writer.execute(Add("a", 1))) for _ in range(20)]
    await asyncio.sleep(0)
    await service.writer.stop()

    assert sorted(await asyncio.gather(*accepted)) == list(range(1, 21))
    with pytest.raises(Unavailable):
        await service.writer.execute(Add("a", 1))
