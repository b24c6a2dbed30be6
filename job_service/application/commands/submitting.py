"""New jobs: each reserves its hours in the transaction that creates it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import ClassVar

from job_service.application.commands.acting import OnJob, Policy, kept
from job_service.application.commands.books import (
    accounts_charged,
    book,
    charged_keys,
    rebook,
)
from job_service.application.commands.starting import queue_if_ready
from job_service.application.ports import UnitOfWork
from job_service.domain.approval import Decision, Rule, decided
from job_service.domain.dependencies import Met, how_far
from job_service.domain.errors import (
    DependencyNotFound,
    DependencyNotMet,
    JobStateForbids,
    QuotaExceeded,
)
from job_service.domain.job import Job, Owner
from job_service.domain.quantity import period_end, period_of
from job_service.domain.quotes import Terms
from job_service.domain.runs import further_run_id
from job_service.domain.spec import JobSpec
from job_service.domain.states import JobState
from job_service.domain.submitting import Kinship, submit
from servicekit.values import Value, replace


class SubmitJob(Value, frozen=True):
    """Creates a job, reserves its hours, and takes it as far as the policy lets it go.

    An array's further jobs have ``more_ids``. ``sees_all`` says whether the job may depend on
    other users' jobs, ``terms`` what a quote promised.
    """

    name: ClassVar[str] = "job.submit"
    job_id: str
    run_id: str
    owner: Owner
    spec: JobSpec
    policy: Policy
    now: datetime
    more_ids: tuple[str, ...] = ()
    sees_all: bool = False
    origin_id: str = ""
    role: str = "USER"
    terms: Terms | None = None

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[SubmitJob]") -> None:
        """Reads what all submits change in two statements."""
        prefetch_owners(unit, [(it.owner, it.now) for it in commands])

    def run(self, unit: UnitOfWork) -> Job:
        """The new job; of an array its first one.

        Raises:
            QuotaExceeded: too little is left for all of them.
            DependencyNotFound, DependencyNotMet: it would wait for ever.
        """
        if self.spec.dependencies:
            self._check_dependencies(unit)
        if not self.more_ids:
            return self._one(unit, self.job_id, self.run_id, Kinship(self.origin_id))
        self._check_quota_of_all(unit)
        first = self._one(unit, self.job_id, self.run_id, Kinship("", self.job_id, 0))
        for place, job_id in enumerate(self.more_ids, 1):
            kinship = Kinship("", self.job_id, place)
            self._one(unit, job_id, further_run_id(job_id, 1), kinship)
        return first

    def _one(self, unit: UnitOfWork, job_id: str, run_id: str, kinship: Kinship) -> Job:
        period = period_of(self.now)
        accounts = accounts_charged(unit, self.owner, period, self.policy, self.now)
        change = submit(
            job_id,
            self.owner,
            self.spec,
            period,
            self.now,
            kinship,
            team_charged=len(accounts) > 1,
            price_limit=self.terms.price_limit if self.terms else None,
        )
        book(unit, accounts, None, change.job)
        job, events = decided(change, self._rule(unit, change.job), self.now)
        if job.state is JobState.APPROVED:
            by = job.approved_by
            job, queued = queue_if_ready(unit, job, run_id, by, self.policy, self.now)
            events += queued
        elif job.state.ended:
            rebook(unit, change.job, job)
        unit.jobs.add(job)
        unit.events.append(events)
        return job

    def _rule(self, unit: UnitOfWork, job: Job) -> Rule | None:
        """The rule that a quote found, or the first that is about the job now."""
        if self.terms and self.terms.rule:
            return Rule(self.terms.rule, Decision.APPROVE)
        rules = unit.rules.get() or self.policy.rules
        return rules.first(job, self.role, lambda it: unit.offers.get().dearest(it.spec))

    def _check_dependencies(self, unit: UnitOfWork) -> None:
        for dependency in self.spec.dependencies:
            other = kept(unit, dependency.job_id)
            if other is None or not (self.sees_all or other.owner.id == self.owner.id):
                raise DependencyNotFound(dependency.job_id)
            if how_far(dependency.condition, other.state) is Met.NEVER:
                raise DependencyNotMet(other.id, other.state)

    def _check_quota_of_all(self, unit: UnitOfWork) -> None:
        """Refuses an array before the first of its jobs is stored."""
        asked, period = self.spec.reservation * (1 + len(self.more_ids)), period_of(self.now)
        for account in accounts_charged(unit, self.owner, period, self.policy, self.now):
            if asked > account.available:
                raise QuotaExceeded(account.subject, asked, account.available, period_end(period))


class RetryJob(OnJob, frozen=True):
    """Submits a job that has ended again, as a new one of the same owner.

    The new job waits for no others: those that the first one waited for have ended. Rules know it
    by the ``role`` of its owner, and as a user's if somebody else submits it again.
    """

    name: ClassVar[str] = "job.submit"
    new_id: str
    run_id: str
    policy: Policy
    role: str = "USER"

    def run(self, unit: UnitOfWork) -> Job:
        """The new job.

        Raises:
            JobStateForbids: the first one has not ended.
        """
        job = self._job(unit)
        if not job.state.ended:
            raise JobStateForbids("be retried", job.id, job.state)
        spec = replace(job.spec, dependencies=(), array_size=0)
        return SubmitJob(
            self.new_id,
            self.run_id,
            job.owner,
            spec,
            self.policy,
            self.now,
            origin_id=job.id,
            role=self.role if self.caller.id == job.owner.id else "USER",
        ).run(unit)


def prefetch_owners(unit: UnitOfWork, owners: Sequence[tuple[Owner, datetime]]) -> None:
    """Reads the accounts of all submitters, and the rules."""
    keys = [charged_keys(owner, period_of(now)) for owner, now in owners]
    unit.accounts.load(chain.from_iterable(keys))
    unit.rules.load()
