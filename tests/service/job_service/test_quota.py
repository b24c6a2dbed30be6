"""GPU-hours: what is reserved, refused, granted and told, over a true server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gpuaas.job.v1 import job_pb2, quota_pb2, quota_service_pb2
from servicekit.clock import ManualClock
from servicekit.errors import FailedPrecondition
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import NOTHING, House, Open

Entry = quota_pb2.LedgerEntry


async def test_two_hundred_submits_at_the_edge_fill_the_quota_exactly(open_either: Open) -> None:
    """As many as fit are accepted, all others refused, and the balance is exact."""
    async with open_either(default_quota_gpu_hours=12.5) as house:
        submits = (house.submit(estimated_hours=0.25) for _ in range(200))
        answers = await asyncio.gather(*submits, return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, job_pb2.Job)]
        refused = [answer for answer in answers if isinstance(answer, FailedPrecondition)]
        assert (50, 150) == (len(accepted), len(refused))
        assert {"QUOTA_EXCEEDED"} == {failure.reason for failure in refused}
        quota = await house.quota()
        assert (0, 25 * HOUR // 2) == (
            quota.left_milli_gpu_seconds,
            quota.reserved_milli_gpu_seconds,
        )
        stored = await house.stored()
        assert (50, 51, 50) == (stored["jobs"], stored["ledger"], stored["events"])

        await asyncio.gather(*(house.cancel(job.id) for job in accepted))
        quota = await house.quota()
        assert (12.5, 0.0) == (quota.left_gpu_hours, quota.reserved_gpu_hours)
        assert 25 * HOUR // 2 == quota.refunded_total_milli_gpu_seconds


async def test_a_refusal_has_the_figures(house: House) -> None:
    """Whose quota, how much was asked for, how much is left, and until when."""
    with pytest.raises(FailedPrecondition) as refused:
        await house.submit(estimated_hours=10.5)
    figures = refused.value.metadata
    assert "QUOTA_EXCEEDED" == refused.value.reason
    assert f"user:{house.identities.user_id('ada')}" == figures["subject"]
    assert (str(21 * HOUR // 2), str(10 * HOUR)) == (
        figures["asked_milli_gpu_seconds"],
        figures["left_milli_gpu_seconds"],
    )
    assert datetime.fromisoformat(figures["resets_at"]) > datetime.now(UTC)
    assert NOTHING == await house.stored()


async def test_a_quota_that_was_never_used_is_the_default(house: House) -> None:
    """And looking at it does not open it."""
    quota = await house.quota()
    assert ("ada", 10.0, 10.0) == (quota.owner, quota.limit_gpu_hours, quota.left_gpu_hours)
    assert quota.period_start.ToDatetime() < quota.period_end.ToDatetime()
    assert NOTHING == await house.stored()


async def test_a_grant_can_be_used_at_once(house: House) -> None:
    """The statement tells who granted it and why."""
    owner_id = house.identities.user_id("ada")
    grant = quota_service_pb2.GrantHoursRequest(
        owner_id=owner_id, amount_gpu_hours=2.5, reason="thesis"
    )
    quota = (await house.quotas.GrantHours(grant, **house.by("root"))).quota
    assert (2.5, 12.5) == (quota.granted_gpu_hours, quota.left_gpu_hours)
    await house.submit(estimated_hours=12.5)
    [entry] = await house.entries(kinds=[Entry.KIND_GRANT])
    assert ("root", "thesis", 2.5) == (entry.actor, entry.reason, entry.amount_gpu_hours)


async def test_a_statement_tells_every_movement_newest_first(house: House) -> None:
    """With both accounts of each; an admin reads everybody's."""
    job = await house.submit(estimated_hours=4)
    await house.cancel(job.id)
    entries = await house.entries()
    assert [
        (3, Entry.KIND_REFUND, Entry.ACCOUNT_RESERVED, Entry.ACCOUNT_AVAILABLE, 4.0, job.id),
        (2, Entry.KIND_RESERVE, Entry.ACCOUNT_AVAILABLE, Entry.ACCOUNT_RESERVED, 4.0, job.id),
        (1, Entry.KIND_ALLOWANCE, Entry.ACCOUNT_LIMIT, Entry.ACCOUNT_AVAILABLE, 10.0, ""),
    ] == [
        (it.sequence, it.kind, it.from_account, it.to_account, it.amount_gpu_hours, it.job_id)
        for it in entries
    ]
    owner_id = house.identities.user_id("ada")
    assert entries == await house.entries("root", owner_id=owner_id)
    assert entries[:2] == await house.entries(job_id=job.id)


async def test_a_new_month_has_a_new_quota(open_house: Open) -> None:
    """What is left of the old one is not carried over, and an old job settles where it began."""
    clock = ManualClock(datetime.now(UTC))
    async with open_house(clock) as house:
        old = await house.submit(estimated_hours=6)
        clock.advance(timedelta(days=31))
        later = {"iat": clock.now(), "exp": clock.now() + timedelta(hours=1)}
        house.tokens["ada"] = house.identities.token("ada", **later)
        assert 10.0 == (await house.quota()).left_gpu_hours
        await house.submit(estimated_hours=10)
        await house.cancel(old.id)
        quota = await house.quota()
        assert (0.0, 10.0, 0.0) == (
            quota.left_gpu_hours,
            quota.reserved_gpu_hours,
            quota.refunded_total_milli_gpu_seconds,
        )
        assert [2, 1, 3, 2, 1] == [entry.sequence for entry in await house.entries()]
