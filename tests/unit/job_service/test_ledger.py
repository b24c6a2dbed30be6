"""Movements of GPU time between the books of an account."""

from datetime import UTC, datetime

import pytest

from job_service.domain.errors import QuotaExceeded, QuotaInUse
from job_service.domain.ledger import MOST, Account, Cause, Entry, EntryKind
from job_service.domain.runs import Failure, FailureReason, Fault
from servicekit.errors import InvalidArgument
from servicekit.values import replace
from tests.fakes.jobs import HOUR, NOW, PERIOD, later, pending, running

CAUSE = Cause("cause", NOW, "root", "thesis")


def opened(hours: float = 10) -> Account:
    """Ada's account at the start of the month."""
    return Account("user:u1", PERIOD).allow(round(hours * HOUR), CAUSE)[0]


def test_a_month_opens_with_its_allowance() -> None:
    """All of it is available, and an entry says where it came from."""
    account, entries = Account("user:u1", PERIOD).allow(10 * HOUR, CAUSE)
    assert (10 * HOUR, 10 * HOUR, 1) == (account.limit, account.available, account.entries)
    expected = Entry(
        id="cause:allowance",
        subject="user:u1",
        period=PERIOD,
        sequence=1,
        kind=EntryKind.ALLOWANCE,
        amount=10 * HOUR,
        left=10 * HOUR,
        at=NOW,
        actor="root",
        reason="thesis",
        job_id="",
    )
    assert [expected] == entries


def test_a_month_without_allowance_opens_without_an_entry() -> None:
    """A movement of nothing is none."""
    account, entries = Account("user:u1", PERIOD).allow(0, CAUSE)
    assert ([], 0, 0) == (entries, account.entries, account.available)


def test_a_grant_adds_to_what_is_available() -> None:
    """The allowance stays what it was."""
    account, [entry] = opened().grant(5 * HOUR, CAUSE)
    assert (10 * HOUR, 5 * HOUR, 15 * HOUR) == (account.limit, account.granted, account.available)
    assert (2, EntryKind.GRANT, 15 * HOUR) == (entry.sequence, entry.kind, entry.left)


def test_a_grant_beyond_counting_is_refused() -> None:
    """Sums must stay countable, however often somebody grants."""
    account = opened().grant(MOST - 10 * HOUR, CAUSE)[0]
    assert MOST == account.available
    with pytest.raises(InvalidArgument) as refused:
        account.grant(1, CAUSE)
    assert "FIELD_INVALID" == refused.value.reason


def test_a_job_reserves_what_it_may_need() -> None:
    """The hours are held under the job's id."""
    account, [entry] = opened().follow(None, pending(hours=4))
    assert (4 * HOUR, 6 * HOUR) == (account.reserved, account.available)
    assert 4 * HOUR == account.reserved_total
    assert ("j1/1:reserve", EntryKind.RESERVE, "j1", 6 * HOUR) == (
        entry.id,
        entry.kind,
        entry.job_id,
        entry.left,
    )


def test_the_last_hour_can_be_reserved_and_no_more() -> None:
    """At the edge exactly; what is refused says how much was asked for, left, and until when."""
    account = opened().follow(None, pending(hours=10))[0]
    assert 0 == account.available
    with pytest.raises(QuotaExceeded) as refused:
        account.follow(None, pending("j2", hours=0.5))
    assert {
        "subject": "user:u1",
        "asked_milli_gpu_seconds": str(HOUR // 2),
        "left_milli_gpu_seconds": "0",
        "asked_gpu_hours": "0.5000",
        "left_gpu_hours": "0.0000",
        "resets_at": datetime(2026, 4, 1, tzinfo=UTC).isoformat(),
    } == refused.value.metadata


def test_a_completed_job_settles_its_use_and_refunds_the_rest() -> None:
    """Two entries, in this order, and the account is as if only the use had ever been taken."""
    before = running(hours=4)
    account = opened().follow(None, before)[0]
    account, entries = account.follow(before, before.run_ended(None, 3 * HOUR, later()).job)
    assert (0, 3 * HOUR, 7 * HOUR) == (account.reserved, account.used, account.available)
    assert HOUR == account.refunded_total
    assert [
        (3, "j1/5:settle", EntryKind.SETTLE, 3 * HOUR, 6 * HOUR),
        (4, "j1/5:refund", EntryKind.REFUND, HOUR, 7 * HOUR),
    ] == [(it.sequence, it.id, it.kind, it.amount, it.left) for it in entries]


@pytest.mark.parametrize("used", [0, 4 * HOUR, 9 * HOUR])
def test_a_settlement_of_all_or_nothing_is_one_entry(used: int) -> None:
    """All used, or more than that: no refund. Nothing used: nothing to settle."""
    before = running(hours=4)
    account = opened().follow(None, before)[0]
    account, [entry] = account.follow(before, before.run_ended(None, used, later()).job)
    assert (EntryKind.SETTLE if used else EntryKind.REFUND) is entry.kind
    assert (0, min(used, 4 * HOUR)) == (account.reserved, account.used)


def test_the_platforms_fault_is_refunded_in_full() -> None:
    """As if the job had never been."""
    before = running(hours=4)
    lost = Failure(Fault.PLATFORM, FailureReason.BACKEND_ERROR)
    account = opened().follow(None, before)[0]
    account, [entry] = account.follow(before, before.run_ended(lost, HOUR, later()).job)
    assert (EntryKind.REFUND, 4 * HOUR) == (entry.kind, entry.amount)
    assert opened().available == account.available


def test_a_job_that_needs_no_gpu_leaves_no_entry() -> None:
    """Neither when it is submitted nor when it ends."""
    job = pending(hours=0)
    account, entries = opened().follow(None, job)
    assert [] == entries
    assert ([], opened()) == account.follow(job, job.cancel("Ada", "", later()).job)[::-1]


def test_a_limit_can_rise_and_fall() -> None:
    """One that falls goes back: the entry's amount is negative."""
    account, [rise] = opened().set_limit(12 * HOUR, CAUSE)
    assert (EntryKind.LIMIT_CHANGE, 2 * HOUR, 12 * HOUR) == (rise.kind, rise.amount, rise.left)
    account, [fall] = account.set_limit(3 * HOUR, CAUSE)
    assert (-9 * HOUR, 3 * HOUR, 3 * HOUR) == (fall.amount, fall.left, account.limit)
    assert (account, []) == account.set_limit(3 * HOUR, CAUSE)


def test_a_limit_does_not_fall_below_what_is_in_use() -> None:
    """To exactly that, it may; grants count for it."""
    account = opened().grant(HOUR, CAUSE)[0].follow(None, pending(hours=8))[0]
    with pytest.raises(QuotaInUse) as refused:
        account.set_limit(7 * HOUR - 1, CAUSE)
    assert str(8 * HOUR) == refused.value.metadata["in_use_milli_gpu_seconds"]
    assert 0 == account.set_limit(7 * HOUR, CAUSE)[0].available


def test_a_run_that_outlasts_its_hours_is_billed() -> None:
    """First from what it held, then from what is available, even when nothing is left."""
    before = running(hours=4)
    account = opened(5).follow(None, before)[0]
    after = replace(before.run_ended(None, 4 * HOUR, later()).job, used=7 * HOUR)
    account, entries = account.follow(before, after)
    assert [
        (EntryKind.SETTLE, 4 * HOUR, HOUR),
        (EntryKind.OVERRUN, 3 * HOUR, -2 * HOUR),
    ] == [(it.kind, it.amount, it.left) for it in entries]
    assert (-2 * HOUR, 7 * HOUR, 3 * HOUR) == (account.available, account.used, account.overrun)
    with pytest.raises(QuotaExceeded):
        account.follow(None, pending("j2", hours=0.5))
    assert ([], account) == account.follow(None, pending("j2", hours=0))[::-1]
    assert -HOUR == account.set_limit(6 * HOUR, CAUSE)[0].available


def test_a_job_that_goes_on_after_a_run_settles_it_and_reserves_again() -> None:
    """What the next run may need on top of what is left is asked for like a new job's."""
    before = running(hours=4)
    account = opened().follow(None, before)[0]
    again = replace(before, used=HOUR, changes=before.changes + 1)
    account, entries = account.follow(before, again)
    assert [(EntryKind.SETTLE, HOUR), (EntryKind.RESERVE, HOUR)] == [
        (it.kind, it.amount) for it in entries
    ]
    assert (4 * HOUR, HOUR, 5 * HOUR) == (account.reserved, account.used, account.available)
    with pytest.raises(QuotaExceeded):
        account.follow(again, replace(again, reserved=10 * HOUR))


def test_a_teams_entries_are_told_apart_from_its_members() -> None:
    """Both are made of the same change of the same job."""
    team = Account("team:engines", PERIOD).allow(10 * HOUR, CAUSE)[0]
    [entry] = team.follow(None, pending())[1]
    assert ("j1/1:reserve:team", "team:engines") == (entry.id, entry.subject)
