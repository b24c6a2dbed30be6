"""Random histories of jobs and quota, with every rule of the books checked after each step."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from job_service.application.commands import GrantHours
from job_service.application.following import ApplyReports
from job_service.domain.job import EventKind, Job, JobState, Owner
from job_service.domain.ledger import MOVES, Account, Book, Entry
from job_service.domain.reports import Report, ReportKind
from servicekit.errors import Failure
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA,
    ADMIN_CALLS,
    BOB,
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    cancel_command,
    policy,
    reject_command,
    report,
    start_command,
    submit_command,
)

JOBS = [f"j{number}" for number in range(6)]
OWNERS = [ADA, BOB]
POLICY = policy(hours=10, auto_hours=1, auto_start=False)

job_ids = st.sampled_from(JOBS)
uses = st.sampled_from([0, 1, HOUR, 20 * HOUR])


class Histories(RuleBasedStateMachine):
    """Two users, six jobs, an admin and a scheduler, each doing what comes to mind.

    What a rule forbids is refused and must change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        self.grants = itertools.count()

    def attempt(self, command: Any) -> None:
        """Runs a command; a refusal leaves everything as it was."""
        before = self.store.unit.copy()
        try:
            self.store.run(command)
        except Failure:
            assert before == self.store.unit

    @rule(job_id=job_ids, owner=st.sampled_from(OWNERS), hours=st.sampled_from([0, 0.5, 1, 4, 9]))
    def submit(self, job_id: str, owner: Owner, hours: float) -> None:
        if job_id not in self.store.unit.jobs.by_id:
            self.attempt(submit_command(job_id, hours, owner=owner, policy=POLICY))

    @rule(job_id=job_ids, auto_start=st.booleans())
    def approve(self, job_id: str, *, auto_start: bool) -> None:
        self.attempt(approve_command(job_id, auto_start=auto_start))

    @rule(job_id=job_ids)
    def reject(self, job_id: str) -> None:
        self.attempt(reject_command(job_id))

    @rule(job_id=job_ids)
    def start(self, job_id: str) -> None:
        self.attempt(start_command(job_id))

    @rule(job_id=job_ids)
    def cancel(self, job_id: str) -> None:
        self.attempt(cancel_command(job_id, ADMIN_CALLS))

    @rule(
        told=st.lists(
            st.tuples(
                job_ids, st.sampled_from(ReportKind), st.sampled_from([0, 1, HOUR, 20 * HOUR])
            ),
            max_size=4,
        )
    )
    def reports(self, told: list[tuple[str, ReportKind, int]]) -> None:
        batch = tuple(_report(*one) for one in told)
        self.attempt(ApplyReports(batch, "position"))

    @rule(owner=st.sampled_from(OWNERS), hours=st.integers(1, 5))
    def grant(self, owner: Owner, hours: int) -> None:
        grant_id = f"g{next(self.grants)}"
        self.attempt(
            GrantHours(grant_id, owner.id, PERIOD, hours * HOUR, "root", "thesis", POLICY, NOW)
        )

    @invariant()
    def books_sum_to_zero_and_agree_with_the_account(self) -> None:
        for key, account in self.store.unit.accounts.by_key.items():
            entries = self.entries_of(key)
            books = _books(entries)
            assert 0 == sum(books.values())
            assert -(account.limit + account.granted) == books[Book.LIMIT]
            assert account.available == books[Book.AVAILABLE]
            assert account.reserved == books[Book.RESERVED]
            assert account.used == books[Book.USED]
            assert _totals(account) == _totals_of(entries)

    @invariant()
    def nothing_is_negative_at_any_time(self) -> None:
        for account in self.store.unit.accounts.by_key.values():
            assert 0 <= min(account.available, account.reserved, account.used)
        assert all(entry.amount > 0 <= entry.left for entry in self.store.unit.ledger.entries)

    @invariant()
    def statements_are_gap_free_and_add_up(self) -> None:
        for key, account in self.store.unit.accounts.by_key.items():
            entries = self.entries_of(key)
            assert list(range(1, account.entries + 1)) == [entry.sequence for entry in entries]
            for count, entry in enumerate(entries, 1):
                assert entry.left == _books(entries[:count])[Book.AVAILABLE]

    @invariant()
    def every_reservation_belongs_to_a_live_job(self) -> None:
        held: Counter[tuple[str, str]] = Counter()
        paid: Counter[tuple[str, str]] = Counter()
        for job in self.store.unit.jobs.by_id.values():
            held[job.owner.id, job.period] += job.reserved
            paid[job.owner.id, job.period] += job.used
            assert not (job.state.ended and job.reserved)
        for key, account in self.store.unit.accounts.by_key.items():
            assert (held[key], paid[key]) == (account.reserved, account.used)

    @invariant()
    def events_tell_the_whole_story_of_each_job(self) -> None:
        stories = defaultdict(list)
        for event in self.store.unit.events.appended:
            stories[event.job.id].append(event)
        assert stories.keys() == self.store.unit.jobs.by_id.keys()
        for job_id, story in stories.items():
            assert EventKind.SUBMITTED is story[0].kind
            assert self.store.unit.jobs.by_id[job_id] == story[-1].job
            assert list(range(1, len(story) + 1)) == [event.job.changes for event in story]
            for before, after in itertools.pairwise(story):
                assert before.job.state is after.previous_state

    @invariant()
    def a_job_is_whole(self) -> None:
        for job in self.store.unit.jobs.by_id.values():
            assert job.state.ended is (job.ended_at is not None)
            assert (job.state is JobState.FAILED) is (job.failure is not None)
            assert (job.queued_at is not None) is (job.run is not None) is (job.run_count == 1)
            assert job.used <= _asked(job)

    def entries_of(self, key: tuple[str, str]) -> list[Entry]:
        """An account's entries as they were added."""
        entries = self.store.unit.ledger.entries
        return [entry for entry in entries if (entry.owner_id, entry.period) == key]


def _report(job_id: str, kind: ReportKind, used: int) -> Report:
    return report(kind, job_id, used=used)


def _books(entries: Iterable[Entry]) -> Counter[Book]:
    books: Counter[Book] = Counter()
    for entry in entries:
        source, target = MOVES[entry.kind]
        books[source] -= entry.amount
        books[target] += entry.amount
    return books


def _totals(account: Account) -> tuple[int, int]:
    return account.reserved_total, account.refunded_total


def _totals_of(entries: Iterable[Entry]) -> tuple[int, int]:
    by_kind: Counter[str] = Counter()
    for entry in entries:
        by_kind[entry.kind] += entry.amount
    return by_kind["RESERVE"], by_kind["REFUND"]


def _asked(job: Job) -> int:
    return job.spec.reservation


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
