"""What counts as lost, doubled, unseen and unbalanced: each must be noticed."""

from collections.abc import Sequence
from typing import Any

import pytest

from bench.replay.books import Books, Record
from bench.replay.outcome import Ledger, Outcome, compare

OWNER = "owner-1"


def job(name: str, status: str = "COMPLETED", used: int = 60, **changes: Any) -> Record:
    """Returns a job of 100 reserved, as REST shows it at its end."""
    return {
        "id": f"id-{name}",
        "owner_id": OWNER,
        "status": status,
        "spec": {"name": name},
        "create_time": "2026-11-01T10:00:00Z",
        "start_time": "2026-11-01T10:00:00.500Z",
        "used_milli_gpu_seconds": str(used),
        **changes,
    }


def entry(kind: str, amount: int) -> Record:
    """Returns a ledger entry."""
    return {"kind": f"KIND_{kind}", "amount_milli_gpu_seconds": str(amount)}


def ledger_of(jobs: Sequence[Record]) -> list[Record]:
    """Returns the entries that the jobs make: 100 reserved, the use settled, the rest returned."""
    entries = [entry("ALLOWANCE", 1000)]
    for each in jobs:
        used = int(each["used_milli_gpu_seconds"])
        entries += [entry("RESERVE", 100), entry("SETTLE", used), entry("REFUND", 100 - used)]
    return entries


def quota_of(jobs: Sequence[Record], **changes: int) -> Record:
    """Returns the quota of a user with 1000 after these jobs."""
    used = sum(int(each["used_milli_gpu_seconds"]) for each in jobs)
    amounts = {
        "limit": 1000,
        "used": used,
        "left": 1000 - used,
        "reserved_total": 100 * len(jobs),
        "settled_total": used,
        "refunded_total": 100 * len(jobs) - used,
        **changes,
    }
    return {f"{name}_milli_gpu_seconds": str(amount) for name, amount in amounts.items()}


def outcome(
    jobs: Sequence[Record],
    *,
    acknowledged: Sequence[str] = ("a", "b"),
    seen: dict[str, str] | None = None,
    quota: Record | None = None,
    entries: Sequence[Record] | None = None,
) -> Outcome:
    """Compares a run of two jobs, in which everything is as it should be unless said otherwise."""
    books = Books(
        jobs,
        {OWNER: quota_of(jobs) if quota is None else quota},
        {OWNER: ledger_of(jobs) if entries is None else entries},
    )
    names = {name: f"id-{name}" for name in acknowledged}
    if seen is None:
        seen = dict.fromkeys(names.values(), "COMPLETED")
    return compare(2, names, seen, books, speed=10.0)


def test_clean() -> None:
    """A run in which every promise was kept is clean."""
    result = outcome([job("a"), job("b")])
    assert result.is_clean
    assert (2, 2, 0, 0, 0) == (
        result.submitted,
        result.ended,
        result.lost,
        result.doubled,
        result.unseen,
    )
    assert Ledger(reserved=200, settled=120, refunded=80, difference=0) == result.ledger


def test_lost() -> None:
    """An acknowledged job that does not exist is lost."""
    result = outcome([job("a")])
    assert (1, 1, False) == (result.lost, result.ended, result.is_clean)


def test_doubled() -> None:
    """Two jobs of one submit are doubled."""
    result = outcome([job("a"), job("b"), job("b", id="id-other")])
    assert (1, 0, False) == (result.doubled, result.lost, result.is_clean)


def test_not_acknowledged() -> None:
    """A job that was never acknowledged makes the run unclean."""
    result = outcome([job("a"), job("b")], acknowledged=["a"])
    assert (1, False) == (result.submitted, result.is_clean)


def test_not_ended() -> None:
    """A job that has not ended makes the run unclean."""
    result = outcome([job("a"), job("b", status="RUNNING")])
    assert (1, {"COMPLETED": 1, "RUNNING": 1}, False) == (
        result.ended,
        result.states,
        result.is_clean,
    )


@pytest.mark.parametrize("told", [{}, {"id-b": "FAILED"}])
def test_unseen(told: dict[str, str]) -> None:
    """An end that no stream told rightly is unseen."""
    result = outcome([job("a"), job("b")], seen={"id-a": "COMPLETED", **told})
    assert (1, False) == (result.unseen, result.is_clean)


def test_waits() -> None:
    """Waits are told in the trace's time."""
    slow = job("b", start_time="2026-11-01T10:00:02.500Z")
    result = outcome([job("a"), slow])
    assert ([5.0, 25.0], 15.0, 25.0) == (result.waits_s, result.mean_wait_s, result.p99_wait_s)


BOTH = [job("a"), job("b")]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"quota": quota_of(BOTH, left=879)}, 1),
        ({"quota": quota_of(BOTH, settled_total=119)}, 1),
        ({"quota": quota_of(BOTH, reserved=5, left=875)}, 5),
        ({"entries": ledger_of(BOTH)[:-1]}, 80),
        ({"entries": [*ledger_of(BOTH), entry("REFUND", 7)]}, 14),
    ],
    ids=["left", "total", "still reserved", "refund missing", "refund twice"],
)
def test_contradictions(changed: dict[str, Any], expected: int) -> None:
    """Every contradiction of the books shows."""
    result = outcome(BOTH, **changed)
    assert (expected, False) == (result.ledger.difference, result.is_clean)


def test_uncharged_use() -> None:
    """Use that was not charged shows.

    The job says 90, its ledger and quota 60.
    """
    jobs = [job("a", used=90), job("b")]
    result = outcome(jobs, quota=quota_of(BOTH), entries=ledger_of(BOTH))
    assert 30 == result.ledger.difference
