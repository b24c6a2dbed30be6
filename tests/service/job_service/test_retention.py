"""What is old leaves by itself, and whoever comes for it is told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from job_service.adapters.tables import ARCHIVED_JOBS, PLUMBING
from servicekit.clock import ManualClock
from servicekit.errors import OutOfRange
from servicekit.identity import Role
from tests.service.job_service.conftest import House, Open

OLD = {"keep_jobs_days": 10.0, "keep_events_days": 5.0}


async def test_the_old_is_archived_and_trimmed(open_either: Open) -> None:
    """A job that ended is got by its id only; an old cursor is refused; the books stay."""
    clock = ManualClock(datetime.now(UTC))
    async with open_either(clock) as house:
        waits, ended = await house.submit(), await house.submit()
        await house.cancel(ended.id)
        first = house.service.log.token(1)
        entries = await house.entries()
        await house.approve(waits.id)
        await forwarded(house)
    clock.advance(timedelta(days=11))
    async with open_either(clock, **OLD) as house:
        later = {"iat": clock.now(), "exp": clock.now() + timedelta(hours=1)}
        for user, role in (("ada", Role.USER), ("root", Role.ADMIN)):
            house.tokens[user] = house.identities.token(user, role, **later)
        async with asyncio.timeout(20):
            while not await house.count(ARCHIVED_JOBS) or await house.count(PLUMBING.events):
                await house.service.log.wait(house.service.log.head, timedelta(milliseconds=20))
        assert [waits.id] == await house.listed()
        assert "CANCELLED" == (await house.get(ended.id, "ada")).status
        assert entries == await house.entries()
        with pytest.raises(OutOfRange) as refused:
            await anext(house.watch(resume_token=first))
        assert "RESUME_TOKEN_EXPIRED" == refused.value.reason
        fresh = house.watch(resume_token=house.service.log.token(house.service.log.head))
        await house.cancel(waits.id)
        assert waits.id == (await anext(fresh)).events[0].job.id
        fresh.cancel()


async def forwarded(house: House) -> None:
    """Waits until the outbox has read everything there is."""
    cursors = PLUMBING.cursors
    position = sa.select(cursors.c.position).where(cursors.c.name == "forward")
    read = house.service.database.read
    async with asyncio.timeout(20):
        while (found := await read(lambda it: it.execute(position).scalar())) is None or (
            house.service.log.revision(found) < house.service.log.head
        ):
            await house.service.log.wait(house.service.log.head, timedelta(milliseconds=20))
