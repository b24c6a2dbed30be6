"""Random histories of jobs and quota, with every rule of the books checked after each step."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from job_service.application.commands import GrantHours, Policy
from job_service.application.following import ApplyReports
from job_service.domain.errors import JobNotFound, JobStateForbids, QuotaExceeded
from job_service.domain.job import EventKind, JobState, Owner
from job_service.domain.ledger import MOVES, Account, Book, Entry
from job_service.domain.reports import ReportKind
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

OWNERS = [ADA, BOB]
POLICIES = [policy(hours=10, auto_hours=hours, auto_start=True) for hours in (0, 1, 100)]
REFUSALS = (JobNotFound, JobStateForbids, QuotaExceeded)

uses = st.sampled_from([0, 1, HOUR, 20 * HOUR])


class Histories(RuleBasedStateMachine):
    """Two users, an admin and a scheduler, each doing what comes to mind.

    What a rule forbids is refused and must change nothing.
    """

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        self.numbers = itertools.count()

    @initialize(target=jobs)
    def begin(self) -> str:
        return self.submit(ADA, 4, POLICIES[0])

    def attempt(self, command: Any) -> None:
        """Runs a command; a refusal leaves everything as it was."""
        before = self.store.unit.copy()
        try:
            self.store.run(command)
        except REFUSALS:
            assert before == self.store.unit

    @rule(
        target=jobs,
        owner=st.sampled_from(OWNERS),
        hours=st.sampled_from([0, 0.5, 1, 4, 9]),
        policy=st.sampled_from(POLICIES),
    )
    def another(self, owner: Owner, hours: float, policy: Policy) -> str:
        return self.submit(owner, hours, policy)

    def submit(self, owner: Owner, hours: float, policy: Policy) -> str:
        """Submits a job under a new id, whatever becomes of it."""
        job_id = f"j{next(self.numbers)}"
        self.attempt(submit_command(job_id, hours, owner=owner, policy=policy))
        return job_id

    @rule(job_id=jobs, auto_start=st.booleans())
    def approve(self, job_id: str, *, auto_start: bool) -> None:
        self.attempt(approve_command(job_id, auto_start=auto_start))

    @rule(job_id=jobs)
    def reject(self, job_id: str) -> None:
        self.attempt(reject_command(job_id))

    @rule(job_id=jobs)
    def start(self, job_id: str) -> None:
        self.attempt(start_command(job_id))

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        self.attempt(cancel_command(job_id, ADMIN_CALLS))

    @rule(told=st.lists(st.tuples(jobs, st.sampled_from(ReportKind), uses), min_size=1, max_size=4))
    def reports(self, told: list[tuple[str, ReportKind, int]]) -> None:
        batch = tuple(report(kind, job_id, used=used) for job_id, kind, used in told)
        self.attempt(ApplyReports(batch, "position"))

    @rule(owner=st.sampled_from(OWNERS), hours=st.integers(1, 5))
    def grant(self, owner: Owner, hours: int) -> None:
        grant_id, amount = f"g{next(self.numbers)}", hours * HOUR
        self.attempt(
            GrantHours(grant_id, owner.id, PERIOD, amount, "root", "thesis", POLICIES[0], NOW)
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
            assert (job.queued_at is not None) is (job.run is not None)
            assert job.run_count == (job.run.attempt if job.run else 0)
            assert job.used <= job.spec.reservation

    def entries_of(self, key: tuple[str, str]) -> list[Entry]:
        """An account's entries as they were added."""
        entries = self.store.unit.ledger.entries
        return [entry for entry in entries if (entry.owner_id, entry.period) == key]


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


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
