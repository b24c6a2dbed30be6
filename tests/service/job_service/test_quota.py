"""GPU-hours: what is reserved, refused, granted and told, over a true server."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpuaas.job.v1 import job_pb2, quota_pb2, quota_service_pb2
from job_service.adapters.ledger_check import check
from servicekit.clock import ManualClock
from servicekit.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.fakes.jobs import HOUR
from tests.service.job_service.conftest import NOTHING, House, Open
from tests.service.job_service.scheduler import SchedulerDouble, finished

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


async def test_an_admin_sets_the_limit_of_every_month(house: House) -> None:
    """Raised and lowered, with a reason in the statement; not below what is in use."""
    owner_id = house.identities.user_id("ada")
    await house.submit(estimated_hours=4)
    quota = await set_quota(house, owner_id=owner_id, limit_gpu_hours=5)
    assert (5.0, 1.0, False) == (quota.limit_gpu_hours, quota.left_gpu_hours, quota.is_default)
    with pytest.raises(FailedPrecondition) as refused:
        await set_quota(house, owner_id=owner_id, limit_gpu_hours=3.5)
    assert "QUOTA_IN_USE" == refused.value.reason
    [entry] = await house.entries(kinds=[Entry.KIND_LIMIT_CHANGE])
    assert (Entry.ACCOUNT_AVAILABLE, Entry.ACCOUNT_LIMIT, 5.0, "root", "as agreed") == (
        entry.from_account,
        entry.to_account,
        entry.amount_gpu_hours,
        entry.actor,
        entry.reason,
    )
    next_month = quota.period_end.ToDatetime(UTC) + timedelta(days=3)
    assert 5.0 == (await house.quota(at_time=next_month)).left_gpu_hours


async def test_a_teams_limit_holds_for_its_members_together(house: House) -> None:
    """Members see it, strangers do not; every member's job counts."""
    team = await set_quota(house, team="engines", limit_gpu_hours=3)
    assert ("", "engines", 3.0) == (team.owner_id, team.team, team.left_gpu_hours)
    for user in ("ada", "bob"):
        house.tokens[user] = house.identities.token(user, team="engines")
    await house.submit("ada", estimated_hours=2)
    with pytest.raises(FailedPrecondition) as refused:
        await house.submit("bob", estimated_hours=2)
    assert "team:engines" == refused.value.metadata["subject"]
    assert 1.0 == (await house.quota("bob", team="engines")).left_gpu_hours
    assert ["engines", "engines"] == [it.team for it in await house.entries("bob", team="engines")]
    grant = quota_service_pb2.GrantHoursRequest(team="engines", amount_gpu_hours=1, reason="more")
    await house.quotas.GrantHours(grant, **house.by("root"))
    await house.submit("bob", estimated_hours=2)
    house.tokens["cy"] = house.identities.token("cy", team="looms")
    with pytest.raises(NotFound) as hidden:
        await house.quota("cy", team="engines")
    assert "OWNER_NOT_FOUND" == hidden.value.reason


async def test_quotas_are_listed(house: House) -> None:
    """Users by page, with their names, and teams."""
    for user in ("ada", "bob"):
        house.tokens[user] = house.identities.token(user, team="engines")
        await house.submit(user)
    await set_quota(house, team="looms", limit_gpu_hours=3)
    request = quota_service_pb2.ListQuotasRequest(page_size=1)
    first = await house.quotas.ListQuotas(request, **house.by("root"))
    request.page_token = first.next_page_token
    second = await house.quotas.ListQuotas(request, **house.by("root"))
    assert {"ada", "bob"} == {it.owner for page in (first, second) for it in page.quotas}
    assert "" == second.next_page_token
    request = quota_service_pb2.ListQuotasRequest(teams=True)
    teams = (await house.quotas.ListQuotas(request, **house.by("root"))).quotas
    assert [("looms", 3.0)] == [(it.team, it.limit_gpu_hours) for it in teams]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limit_gpu_hours": 1.0, "reason": "x"}, "owner_id"),
        ({"owner_id": "u", "team": "t", "limit_gpu_hours": 1.0, "reason": "x"}, "owner_id"),
        ({"owner_id": "u", "reason": "x"}, "limit_gpu_hours"),
        ({"owner_id": "u", "limit_gpu_hours": -1.0, "reason": "x"}, "limit_gpu_hours"),
        ({"owner_id": "u", "limit_gpu_hours": float("nan"), "reason": "x"}, "limit_gpu_hours"),
        (
            {"owner_id": "u", "limit_milli_gpu_seconds": -1, "reason": "x"},
            "limit_milli_gpu_seconds",
        ),
        ({"owner_id": "u", "limit_gpu_hours": 1.0}, "reason"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(
    house: House, fields: dict[str, Any], field: str
) -> None:
    """With the field that it is about."""
    with pytest.raises(InvalidArgument) as refused:
        await house.quotas.SetQuota(quota_service_pb2.SetQuotaRequest(**fields), **house.by("root"))
    assert field == refused.value.metadata["field"]
    assert NOTHING == await house.stored()


async def test_a_run_that_outlasts_its_hours_is_billed_where_it_may_finish(
    open_house: Open, scheduler: SchedulerDouble
) -> None:
    """Even beyond the quota; nothing more is accepted then, and the statement adds up."""
    async with open_house(
        overrun="finish", auto_approve_gpu_hours=10.0, default_quota_gpu_hours=3.0
    ) as house:
        job = await house.submit(estimated_hours=2)
        assert 7 * 24 * 3600 == job.spec.max_runtime.seconds
        await scheduler.until(lambda: bool(scheduler.enqueued))
        await scheduler.tell(finished(scheduler.enqueued[0][0], 4 * HOUR))
        ended = await house.until(job.id, job_pb2.JOB_STATE_COMPLETED)
        assert 4 * HOUR == ended.used_milli_gpu_seconds
        quota = await house.quota()
        assert (-1.0, 4.0, 2 * HOUR) == (
            quota.left_gpu_hours,
            quota.used_gpu_hours,
            quota.settled_total_milli_gpu_seconds,
        )
        [entry] = await house.entries(kinds=[Entry.KIND_OVERRUN])
        assert (Entry.ACCOUNT_AVAILABLE, Entry.ACCOUNT_USED, 2.0, -HOUR) == (
            entry.from_account,
            entry.to_account,
            entry.amount_gpu_hours,
            entry.left_milli_gpu_seconds,
        )
        assert "" == house.service.database.read_now(check).flaw
        with pytest.raises(FailedPrecondition):
            await house.submit(estimated_hours=0.1)


async def set_quota(house: House, **fields: Any) -> quota_pb2.Quota:
    """Sets a limit as an admin."""
    request = quota_service_pb2.SetQuotaRequest(reason="as agreed", **fields)
    return (await house.quotas.SetQuota(request, **house.by("root"))).quota
