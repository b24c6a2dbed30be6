"""New jobs: each reserves its hours in the transaction that creates it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import ClassVar

from job_service.application.commands.acting import Policy
from job_service.application.commands.books import accounts_charged, book, charged_keys
from job_service.application.ports import UnitOfWork
from job_service.domain.errors import BatchAborted
from job_service.domain.job import Job, Owner, submit
from job_service.domain.quantity import period_of
from job_service.domain.spec import JobSpec
from servicekit.errors import Failure
from servicekit.values import Value


class SubmitJob(Value, frozen=True):
    """Creates a job, reserves its hours, and takes it as far as the policy lets it go."""

    name: ClassVar[str] = "job.submit"
    job_id: str
    run_id: str
    owner: Owner
    spec: JobSpec
    policy: Policy
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[SubmitJob]") -> None:
        """Reads the accounts of all submitters in one statement."""
        keys = [charged_keys(it.owner, period_of(it.now)) for it in commands]
        unit.accounts.load(chain.from_iterable(keys))

    def run(self, unit: UnitOfWork) -> Job:
        """The new job."""
        period = period_of(self.now)
        accounts = accounts_charged(unit, self.owner, period, self.policy, self.now)
        change = submit(
            self.job_id, self.owner, self.spec, period, self.now, team_charged=len(accounts) > 1
        )
        job, events = change.job, [change.event]
        book(unit, accounts, None, job)
        if rule := self.policy.auto_approval.rule_for(job):
            job, event = job.approve(rule, "", self.now)
            events.append(event)
            if self.policy.auto_start:
                job, event = job.queue(self.run_id, rule, self.now)
                events.append(event)
        unit.jobs.add(job)
        unit.events.append(events)
        return job


class SubmitJobs(Value, frozen=True):
    """Submits many jobs in one transaction.

    Each is refused or accepted alone unless all must be accepted. One whose spec made no sense
    comes as what it is refused with.
    """

    name: ClassVar[str] = "job.submit"
    submits: tuple[SubmitJob | Failure, ...]
    all_or_nothing: bool

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[SubmitJobs]") -> None:
        """Reads the accounts of all submitters in one statement."""
        submits = [submit for command in commands for submit in command.submits]
        SubmitJob.prefetch(unit, [submit for submit in submits if isinstance(submit, SubmitJob)])

    def run(self, unit: UnitOfWork) -> list[Job | Failure]:
        """For each submit its job, or why it was refused; nothing is stored of a refused one.

        Raises:
            BatchAborted: one was refused where all must be accepted.
        """
        return [self._one(place, submit, unit) for place, submit in enumerate(self.submits)]

    def _one(self, place: int, submit: SubmitJob | Failure, unit: UnitOfWork) -> Job | Failure:
        try:
            if isinstance(submit, Failure):
                raise submit
            return submit.run(unit)
        except Failure as refused:
            if self.all_or_nothing:
                raise BatchAborted(place, refused) from refused
            return refused
