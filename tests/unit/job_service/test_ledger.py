"""Movements of GPU time between the books of an account."""

from datetime import UTC, datetime

import pytest

from job_service.domain.errors import QuotaExceeded
from job_service.domain.job import Failure, FailureReason, Fault
from job_service.domain.ledger import MOST, Account, Cause, Entry, EntryKind
from servicekit.errors import InvalidArgument
from tests.fakes.jobs import HOUR, NOW, PERIOD, later, pending, running

CAUSE = Cause("cause", NOW, "root", "thesis")


def opened(hours: float = 10) -> Account:
    """Ada's account at the start of the month."""
    return Account("u1", PERIOD).allow(round(hours * HOUR), CAUSE)[0]


def test_a_month_opens_with_its_allowance() -> None:
    """All of it is available, and an entry says where it came from."""
    account, entries = Account("u1", PERIOD).allow(10 * HOUR, CAUSE)
    assert (10 * HOUR, 10 * HOUR, 1) == (account.limit, account.available, account.entries)
    expected = Entry(
        id="cause:allowance",
        owner_id="u1",
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
    account, entries = Account("u1", PERIOD).allow(0, CAUSE)
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
    account, [entry] = opened().reserve(pending(hours=4))
    assert (4 * HOUR, 6 * HOUR) == (account.reserved, account.available)
    assert 4 * HOUR == account.reserved_total
    assert ("j1:reserve", EntryKind.RESERVE, "j1", 6 * HOUR) == (
        entry.id,
        entry.kind,
        entry.job_id,
        entry.left,
    )


def test_the_last_hour_can_be_reserved_and_no_more() -> None:
    """At the edge exactly; what is refused says how much was asked for, left, and until when."""
    account = opened().reserve(pending(hours=10))[0]
    assert 0 == account.available
    with pytest.raises(QuotaExceeded) as refused:
        account.reserve(pending("j2", hours=0.5))
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
    account = opened().reserve(before)[0]
    account, entries = account.settle(before, before.run_ended(None, 3 * HOUR, later()).job)
    assert (0, 3 * HOUR, 7 * HOUR) == (account.reserved, account.used, account.available)
    assert HOUR == account.refunded_total
    assert [
        (3, "j1:settle", EntryKind.SETTLE, 3 * HOUR, 6 * HOUR),
        (4, "j1:refund", EntryKind.REFUND, HOUR, 7 * HOUR),
    ] == [(it.sequence, it.id, it.kind, it.amount, it.left) for it in entries]


@pytest.mark.parametrize("used", [0, 4 * HOUR, 9 * HOUR])
def test_a_settlement_of_all_or_nothing_is_one_entry(used: int) -> None:
    """All used, or more than that: no refund. Nothing used: nothing to settle."""
    before = running(hours=4)
    account = opened().reserve(before)[0]
    account, [entry] = account.settle(before, before.run_ended(None, used, later()).job)
    assert (EntryKind.SETTLE if used else EntryKind.REFUND) is entry.kind
    assert (0, min(used, 4 * HOUR)) == (account.reserved, account.used)


def test_the_platforms_fault_is_refunded_in_full() -> None:
    """As if the job had never been."""
    before = running(hours=4)
    lost = Failure(Fault.PLATFORM, FailureReason.BACKEND_ERROR)
    account = opened().reserve(before)[0]
    account, [entry] = account.settle(before, before.run_ended(lost, HOUR, later()).job)
    assert (EntryKind.REFUND, 4 * HOUR) == (entry.kind, entry.amount)
    assert opened().available == account.available


def test_a_job_that_needs_no_gpu_leaves_no_entry() -> None:
    """Neither when it is submitted nor when it ends."""
    job = pending(hours=0)
    account, entries = opened().reserve(job)
    assert [] == entries
    assert ([], opened()) == account.settle(job, job.cancel("Ada", "", later()).job)[::-1]
