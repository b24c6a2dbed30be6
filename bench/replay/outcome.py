"""Compares what was acknowledged and seen with what the books say. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.load.meter import quantile
from bench.replay.books import Books, Record
from bench.replay.watcher import FINAL

MILLI_GPU_SECONDS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Ledger:
    """Sums over all users in thousandths of a GPU times seconds.

    `difference` is what does not add up, wherever: it is 0 or something is wrong.
    """

    reserved: int
    settled: int
    refunded: int
    difference: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a replay.

    Attributes:
        wanted: jobs that the replay was to submit.
        submitted: jobs whose submit was acknowledged.
        states: number of submitted jobs by state at the end.
        lost: jobs that were acknowledged and do not exist.
        doubled: jobs that exist beside another one of the same submit.
        unseen: jobs whose end the streams did not tell, or told differently.
        waits_s: seconds from submit to start in the trace's time, ascending.
        ledger: the GPU-hours.
    """

    wanted: int
    submitted: int
    states: Mapping[str, int]
    lost: int
    doubled: int
    unseen: int
    waits_s: Sequence[float]
    ledger: Ledger

    @property
    def ended(self) -> int:
        """Jobs in a final state."""
        return sum(count for state, count in self.states.items() if state in FINAL)

    @property
    def mean_wait_s(self) -> float:
        """Mean wait in the trace's time."""
        return sum(self.waits_s) / max(len(self.waits_s), 1)

    @property
    def p99_wait_s(self) -> float:
        """Wait of the slowest hundredth."""
        return quantile(self.waits_s, 0.99)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        all_ended = self.wanted == self.submitted == self.ended
        wrong = self.lost + self.doubled + self.unseen + self.ledger.difference
        return all_ended and wrong == 0


def compare(
    wanted: int,
    acknowledged: Mapping[str, str],
    seen: Mapping[str, str],
    books: Books,
    speed: float,
) -> Outcome:
    """Works out what became of the jobs.

    Args:
        wanted: jobs that were to be submitted.
        acknowledged: job id by job name.
        seen: final state by job id, as the streams told it.
        books: the system's own record.
        speed: how many seconds of the trace passed in one of the system.
    """
    known = {job["id"]: job for job in books.jobs}
    jobs = [known[job_id] for job_id in acknowledged.values() if job_id in known]
    final = {job["id"]: job["status"] for job in jobs if job["status"] in FINAL}
    return Outcome(
        wanted=wanted,
        submitted=len(acknowledged),
        states=Counter(job["status"] for job in jobs),
        lost=len(acknowledged) - len(jobs),
        doubled=doubled(books.jobs),
        unseen=sum(seen.get(job_id) != state for job_id, state in final.items()),
        waits_s=sorted(wait_s(job) * speed for job in jobs if "start_time" in job),
        ledger=balance(books),
    )


def doubled(jobs: Iterable[Record]) -> int:
    """Counts jobs beyond the first of each submit; every submit has a name of its own."""
    return sum(count - 1 for count in Counter(job["spec"]["name"] for job in jobs).values())


def wait_s(job: Record) -> float:
    """Returns the system's seconds between submit and start."""
    start = datetime.fromisoformat(job["start_time"])
    return (start - datetime.fromisoformat(job["create_time"])).total_seconds()


def balance(books: Books) -> Ledger:
    """Adds up entries, and holds them against quotas and jobs."""
    total: Counter[str] = Counter()
    difference = 0
    for owner, entries in books.entries.items():
        moved = by_kind(entries)
        total += moved
        used = sum(_amount(job, "used") for job in books.jobs if job["owner_id"] == owner)
        difference += mismatch(books.quotas[owner], moved, used)
    return Ledger(total["RESERVE"], total["SETTLE"], total["REFUND"], difference)


def by_kind(entries: Iterable[Record]) -> Counter[str]:
    """Returns the sum of the entries of each kind."""
    moved: Counter[str] = Counter()
    for entry in entries:
        moved[entry["kind"].removeprefix("KIND_")] += _amount(entry, "amount")
    return moved


def mismatch(quota: Record, moved: Mapping[str, int], used_by_jobs: int) -> int:
    """Returns by how much a quota, its entries and its user's jobs contradict one another."""
    limit, granted, left = (_amount(quota, name) for name in ("limit", "granted", "left"))
    reserved, used = _amount(quota, "reserved"), _amount(quota, "used")
    totals = ("reserved_total", "settled_total", "refunded_total")
    entered = tuple(moved.get(kind, 0) for kind in ("RESERVE", "SETTLE", "REFUND"))
    contradictions = [
        limit + granted - reserved - used - left,
        entered[0] - entered[1] - entered[2] - reserved,
        entered[1] + moved.get("OVERRUN", 0) - used,
        used_by_jobs - used,
        *(_amount(quota, name) - sum_ for name, sum_ in zip(totals, entered, strict=True)),
    ]
    return sum(abs(contradiction) for contradiction in contradictions)


def _amount(record: Record, name: str) -> int:
    return int(record.get(f"{name}_milli_gpu_seconds", 0))
