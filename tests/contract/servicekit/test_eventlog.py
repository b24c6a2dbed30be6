"""The event log's promises on every database: ordered, unique, gap-free, resumable, not silent."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from servicekit.errors import InvalidArgument, OutOfRange
from servicekit.eventlog import EventLog, trim
from servicekit.transaction import Event
from tests.contract.servicekit.conftest import PLUMBING, Add, Service, Unit


async def test_revisions_are_gap_free_and_in_commit_order(service: Service) -> None:
    """Refused commands between accepted ones leave no hole."""
    await asyncio.gather(
        *(service.writer.execute(Add("a", -1 if n % 3 == 0 else 1)) for n in range(60)),
        return_exceptions=True,
    )
    events = await service.log.read(0)

    assert [event.revision for event in events] == list(range(1, service.log.head + 1))


async def test_a_reader_gets_the_same_events_from_memory_and_from_the_database(
    service: Service,
) -> None:
    """Where the tail ends, the table goes on."""
    for _ in range(7):
        await service.writer.execute(Add("a", 1))
    fresh = EventLog(service.database, PLUMBING)
    await fresh.open()

    assert await fresh.read(2, limit=3) == await service.log.read(2, limit=3)
    assert [event.revision for event in await fresh.read(2, limit=3)] == [3, 4, 5]
    await fresh.close()


async def test_a_waiting_reader_wakes_at_once(service: Service) -> None:
    """A follower at the tip receives a new event without polling."""
    follower = service.log.follow(0, bookmark=timedelta(seconds=5))
    batch = asyncio.ensure_future(anext(follower))
    await service.writer.execute(Add("a", 1))

    assert [event.subject for event in await batch] == ["a"]


async def test_a_quiet_log_gives_bookmarks(service: Service) -> None:
    """When nothing happens for the given time, an empty batch says so."""
    assert await anext(service.log.follow(0, bookmark=timedelta(milliseconds=1))) == []


async def test_a_replica_sees_events_of_the_other(open_service: Any) -> None:
    """A follower of one replica receives what another replica committed."""
    one, two = await open_service(), await open_service()
    follower = two.log.follow(0, bookmark=timedelta(seconds=5))
    await one.writer.execute(Add("a", 1))

    assert [event.subject for event in await anext(follower)] == ["a"]


async def test_a_token_of_a_replica_is_good_at_once(open_service: Any) -> None:
    """A position that another replica gave out is not mistaken for one beyond the end."""
    one, two = await open_service(), await open_service()
    for _ in range(3):
        await one.writer.execute(Add("a", 1))

    assert [event.revision for event in await two.log.read(2)] == [3]
    assert await two.log.read(3) == []
    with pytest.raises(OutOfRange):
        await two.log.read(4)


async def test_a_change_is_never_cut(open_service: Any) -> None:
    """A change that lies across the end of a batch comes whole, from the table and by the poll."""
    one, two = await open_service(), await open_service()

    class AppendMany:
        name = "counter.append"

        def run(self, unit: Unit) -> None:
            for _ in range(334):
                unit.transaction.append(*(Event("counter.added", "a", b"", at=1) for _ in range(3)))

    await one.writer.execute(AppendMany())
    while two.log.head < 1002:
        await two.log.poll()
        assert not (await two.log.read(two.log.head - 1))[-1].more
    batches = [await two.log.read(0, limit=limit) for limit in (1, 2, 3, 500)]

    assert [len(batch) for batch in batches] == [3, 3, 3, 501]
    assert [batch[-1].more for batch in batches] == [False] * 4


async def test_a_token_of_another_database_is_refused(service: Service) -> None:
    """A token names its log; a log does not read another's."""
    token = EventLog(service.database, PLUMBING)
    token.identity = b"another!"

    assert service.log.revision(service.log.token(41)) == 41
    with pytest.raises(InvalidArgument) as refused:
        service.log.revision(token.token(41))
    assert refused.value.reason == "RESUME_TOKEN_INVALID"


async def test_a_cursor_that_is_too_old_is_told_so(service: Service) -> None:
    """After a trim, reading from before it fails explicitly; reading from after it goes on."""
    for _ in range(5):
        await service.writer.execute(Add("a", 1))

    class Trim:
        name = "log.trim"

        def run(self, unit: Unit) -> None:
            trim(unit.transaction, PLUMBING, 3)

    await service.writer.execute(Trim())
    fresh = EventLog(service.database, PLUMBING)
    await fresh.open()

    with pytest.raises(OutOfRange) as refused:
        await fresh.read(2)
    assert refused.value.reason == "RESUME_TOKEN_EXPIRED"
    assert [event.revision for event in await fresh.read(3)] == [4, 5]
    with pytest.raises(OutOfRange):
        await fresh.read(6)
    await fresh.close()
