"""Random histories of jobs and quota, with every rule of the books checked after each step.

``make job-histories`` lives ten thousand of them with a seed that it prints; the same seed lives
the same ones again.
"""

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from job_service.application.commands.acting import Caller, Policy
from job_service.application.commands.books import booked_keys
from job_service.application.commands.cancelling import CancelJobs, EndJob
from job_service.application.commands.quota import GrantHours
from job_service.application.commands.starting import ReleaseJobs
from job_service.application.commands.submitting import RetryJob
from job_service.application.following import ApplyReports
from job_service.domain.dependencies import Condition, Dependency
from job_service.domain.errors import (
    DependencyNotFound,
    DependencyNotMet,
    JobNotFound,
    JobStateForbids,
    QuotaExceeded,
    QuotaInUse,
    SelfApprovalForbidden,
)
from job_service.domain.job import Owner
from job_service.domain.ledger import MOVES, Account, Book, Entry, EntryKind, of_team, of_user
from job_service.domain.reports import ReportKind
from job_service.domain.runs import Failure, FailureReason, Fault, RetryRule
from job_service.domain.states import EventKind, JobState
from servicekit.values import replace
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import (
    ADA,
    ADA_CALLS,
    ADMIN_CALLS,
    BOB,
    BOB_CALLS,
    HOUR,
    NOW,
    PERIOD,
    approve_command,
    cancel_command,
    later,
    policy,
    reject_command,
    report,
    set_quota_command,
    spec,
    start_command,
    submit_command,
)

OWNERS = [ADA, BOB]
POLICIES = [
    *(policy(hours=10, auto_hours=hours, auto_start=True) for hours in (0, 1, 100)),
    policy(hours=10, two_hours=3),
]
APPROVERS = [ADMIN_CALLS, replace(ADA_CALLS, is_admin=True), replace(BOB_CALLS, is_admin=True)]
SUBJECTS = [of_user(ADA.id), of_team(ADA.team), of_team(BOB.team)]
REFUSALS = (
    JobNotFound,
    JobStateForbids,
    QuotaExceeded,
    QuotaInUse,
    SelfApprovalForbidden,
    DependencyNotMet,
    DependencyNotFound,
)
RULES = [None, RetryRule(2, (Fault.USER, Fault.PLATFORM), timedelta()), RetryRule(1)]

FAILED = Failure(Fault.PLATFORM, FailureReason.SET_BY_ADMIN, "hangs")

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

    @rule(
        target=jobs,
        others=st.lists(jobs, max_size=2, unique=True),
        condition=st.sampled_from(Condition),
        retry=st.sampled_from(RULES),
        wait=st.sampled_from([None, 0, 30]),
        policy=st.sampled_from(POLICIES),
    )
    def dependent(
        self,
        others: list[str],
        condition: Condition,
        retry: RetryRule | None,
        wait: float | None,
        policy: Policy,
    ) -> str:
        """Submits a job that waits for others or for a time, and may be tried again."""
        job_id = f"j{next(self.numbers)}"
        asked = spec(
            2,
            dependencies=tuple(Dependency(other, condition) for other in others),
            retry=retry,
            not_before=None if wait is None else later(wait),
        )
        self.attempt(submit_command(job_id, spec=asked, sees_all=True, policy=policy))
        return job_id

    @rule(target=jobs, size=st.integers(2, 4), policy=st.sampled_from(POLICIES))
    def array(self, size: int, policy: Policy) -> Any:
        """Submits several jobs at once: all of them or none."""
        job_id, *more = [f"j{next(self.numbers)}" for _ in range(size)]
        asked = spec(1.5, array_size=size)
        self.attempt(submit_command(job_id, spec=asked, more_ids=tuple(more), policy=policy))
        return multiple(job_id, *more)

    @rule(target=jobs, job_id=jobs)
    def retry(self, job_id: str) -> str:
        new_id = f"j{next(self.numbers)}"
        again = RetryJob(job_id, ADMIN_CALLS, later(), new_id, f"run of {new_id}", POLICIES[2])
        self.attempt(again)
        return new_id

    @rule(job_ids=st.lists(jobs, min_size=1, max_size=3, unique=True), at=st.sampled_from([1, 99]))
    def release(self, job_ids: list[str], at: float) -> None:
        self.attempt(ReleaseJobs(tuple(job_ids), POLICIES[0], later(at)))

    @rule(job_ids=st.lists(jobs, min_size=1, max_size=3, unique=True))
    def cancel_some(self, job_ids: list[str]) -> None:
        self.attempt(CancelJobs(tuple(job_ids), ADMIN_CALLS, later(), ""))

    @rule(job_id=jobs, failure=st.sampled_from([None, FAILED]))
    def set_ended(self, job_id: str, failure: Failure | None) -> None:
        self.attempt(EndJob(job_id, ADMIN_CALLS, later(), failure))

    @rule(told=st.lists(st.tuples(jobs, st.sampled_from(ReportKind), uses), min_size=1, max_size=4))
    def reports_of_the_latest_runs(self, told: list[tuple[str, ReportKind, int]]) -> None:
        """What the scheduler says of the runs that there are, in one batch."""
        batch = []
        for place, (job_id, kind, used) in enumerate(told):
            job = self.store.unit.jobs.find(job_id)
            if job and job.run:
                lost = bool(place % 2)
                batch.append(report(kind, job_id, run_id=job.run.id, used=used, node_lost=lost))
        self.attempt(ApplyReports(tuple(batch), "position", RetryRule(2)))

    @rule(job_id=jobs, approver=st.sampled_from(APPROVERS), auto_start=st.booleans())
    def approve(self, job_id: str, approver: Caller, *, auto_start: bool) -> None:
        self.attempt(approve_command(job_id, approver, auto_start=auto_start))

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

    @rule(subject=st.sampled_from(SUBJECTS), hours=st.integers(2, 15))
    def limit(self, subject: str, hours: int) -> None:
        self.attempt(set_quota_command(subject, hours, change=f"l{next(self.numbers)}"))

    @rule(owner=st.sampled_from(OWNERS), hours=st.integers(1, 5))
    def grant(self, owner: Owner, hours: int) -> None:
        grant_id, amount = f"g{next(self.numbers)}", hours * HOUR
        self.attempt(
            GrantHours(
                grant_id, of_user(owner.id), PERIOD, amount, "root", "thesis", POLICIES[0], NOW
            )
        )

    @invariant()
    def books_sum_to_zero_and_agree_with_the_account(self) -> None:
        for key, account in self.months():
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
        assert all(entry.left >= 0 for entry in self.store.unit.ledger.entries)
        back = {it.kind for it in self.store.unit.ledger.entries if it.amount <= 0}
        assert back <= {EntryKind.LIMIT_CHANGE}

    @invariant()
    def statements_are_gap_free_and_add_up(self) -> None:
        for key, account in self.months():
            entries = self.entries_of(key)
            assert list(range(1, account.entries + 1)) == [entry.sequence for entry in entries]
            for count, entry in enumerate(entries, 1):
                assert entry.left == _books(entries[:count])[Book.AVAILABLE]

    @invariant()
    def every_reservation_belongs_to_a_live_job(self) -> None:
        held: Counter[tuple[str, str]] = Counter()
        paid: Counter[tuple[str, str]] = Counter()
        for job in self.store.unit.jobs.by_id.values():
            for key in booked_keys(job):
                held[key] += job.reserved
                paid[key] += job.used
            assert not (job.state.ended and job.reserved)
        for key, account in self.months():
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
            assert (job.queued_at is not None) is (job.run is not None) is (job.run_count >= 1)
            assert job.used <= job.spec.reservation * (job.retries + 1)
            assert not (job.held_until and job.state is not JobState.QUEUED)
            expected = 0 if job.state.ended else job.spec.reservation
            assert expected == job.reserved

    @invariant()
    def runs_follow_one_another(self) -> None:
        """Those that are over are kept in order, and have ended; no two have one id."""
        seen = set()
        for job in self.store.unit.jobs.by_id.values():
            over = self.store.unit.jobs.runs_of(job.id)
            assert [run.attempt for run in over] == list(range(1, max(job.run_count, 1)))
            assert all(run.ended_at for run in over)
            runs = [*over, job.run] if job.run else over
            seen |= {run.id for run in runs}
            assert job.run is None or job.run.attempt == job.run_count
        assert len(seen) == sum(job.run_count for job in self.store.unit.jobs.by_id.values())

    @invariant()
    def nothing_is_queued_before_what_it_waits_for(self) -> None:
        for job in self.store.unit.jobs.by_id.values():
            if job.run is None:
                continue
            for dependency in job.spec.dependencies:
                other = self.store.unit.jobs.by_id[dependency.job_id]
                assert other.state.ended
                assert dependency.condition is Condition.AFTER_ANY or (
                    other.state is JobState.COMPLETED
                )

    def months(self) -> list[tuple[tuple[str, str], Account]]:
        """All accounts but those that only say what every month opens with."""
        accounts = self.store.unit.accounts.by_key
        return [(key, account) for key, account in accounts.items() if account.period]

    def entries_of(self, key: tuple[str, str]) -> list[Entry]:
        """An account's entries as they were added."""
        entries = self.store.unit.ledger.entries
        return [entry for entry in entries if (entry.subject, entry.period) == key]


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
TestHistories.settings = settings(
    max_examples=int(os.environ.get("JOB_HISTORIES", "60")), stateful_step_count=50, deadline=None
)
