"""What changes jobs and quota. Each command is one transaction: all of it or nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from job_service.application.ports import UnitOfWork
from job_service.domain.approval import AutoApproval
from job_service.domain.errors import BatchAborted, JobNotFound
from job_service.domain.job import Change, Job, JobState, Owner, submit
from job_service.domain.ledger import Account, Cause
from job_service.domain.quantity import period_of
from job_service.domain.spec import JobSpec
from servicekit.errors import Failure
from servicekit.values import Value


class Policy(Value, frozen=True):
    """What an installation decides: the monthly allowance, approvals, and starts.

    ``monthly_allowance`` is in milli-GPU-seconds.
    """

    monthly_allowance: int
    auto_approval: AutoApproval
    auto_start: bool


class Caller(Value, frozen=True):
    """Who asks. Admins see and change every job, others their own."""

    id: str
    name: str
    is_admin: bool

    def may_see(self, job: Job) -> bool:
        """Whether the job exists as far as this caller is concerned."""
        return self.is_admin or job.owner.id == self.id


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
        unit.accounts.load([(command.owner.id, period_of(command.now)) for command in commands])

    def run(self, unit: UnitOfWork) -> Job:
        """The new job."""
        change = submit(self.job_id, self.owner, self.spec, period_of(self.now), self.now)
        job, events = change.job, [change.event]
        account = account_of(unit, job.owner.id, job.period, self.policy, self.now)
        account, entries = account.reserve(job)
        if rule := self.policy.auto_approval.rule_for(job):
            job, event = job.approve(rule, "", self.now)
            events.append(event)
            if self.policy.auto_start:
                job, event = job.queue(self.run_id, rule, self.now)
                events.append(event)
        unit.accounts.save(account)
        unit.ledger.add(entries)
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


class _OnJob(Value, frozen=True):
    """A verb on one job by somebody."""

    job_id: str
    caller: Caller
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[_OnJob]") -> None:
        """Reads all jobs of the group in one statement."""
        unit.jobs.load([command.job_id for command in commands])

    def _job(self, unit: UnitOfWork) -> Job:
        job = unit.jobs.get(self.job_id)
        if not self.caller.may_see(job):
            raise JobNotFound(self.job_id)
        return job


class ApproveJob(_OnJob, frozen=True):
    """Approves a pending job and queues it where starts are automatic; again changes nothing."""

    name: ClassVar[str] = "job.approve"
    comment: str
    run_id: str
    policy: Policy

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.approved_at is not None:
            return job
        job, event = job.approve(self.caller.name, self.comment, self.now)
        events = [event]
        if self.policy.auto_start:
            job, event = job.queue(self.run_id, self.caller.name, self.now)
            events.append(event)
        unit.jobs.save(job)
        unit.events.append(events)
        return job


class RejectJob(_OnJob, frozen=True):
    """Rejects a pending job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.reject"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.REJECTED:
            return job
        return end(unit, job, job.reject(self.caller.name, self.reason, self.now))


class StartJob(_OnJob, frozen=True):
    """Queues an approved job; again changes nothing."""

    name: ClassVar[str] = "job.start"
    run_id: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            return job
        job, event = job.queue(self.run_id, self.caller.name, self.now)
        unit.jobs.save(job)
        unit.events.append([event])
        return job


class CancelJob(_OnJob, frozen=True):
    """Cancels an unfinished job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.cancel"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.CANCELLED:
            return job
        return end(unit, job, job.cancel(self.caller.name, self.reason, self.now))


class GrantHours(Value, frozen=True):
    """Adds GPU time to a user's month."""

    name: ClassVar[str] = "quota.grant"
    grant_id: str
    owner_id: str
    period: str
    amount: int
    actor: str
    reason: str
    policy: Policy
    now: datetime

    def run(self, unit: UnitOfWork) -> Account:
        """The account with the grant."""
        account = account_of(unit, self.owner_id, self.period, self.policy, self.now)
        cause = Cause(self.grant_id, self.now, self.actor, self.reason)
        account, entries = account.grant(self.amount, cause)
        unit.accounts.save(account)
        unit.ledger.add(entries)
        return account


class MoveCursor(Value, frozen=True):
    """Notes how far a loop has read, once what it did with it is done."""

    name: ClassVar[str] = "cursor.move"
    reader: str
    position: str

    def run(self, unit: UnitOfWork) -> None:
        """Stores the position."""
        unit.cursors.move(self.reader, self.position)


def end(unit: UnitOfWork, before: Job, change: Change) -> Job:
    """Stores a job that ended, settles its reservation and returns the job."""
    job, event = change
    account = unit.accounts.find(job.owner.id, job.period)
    if account is None:
        raise LookupError(f"job {job.id} reserved hours of an account that does not exist")
    account, entries = account.settle(before, job)
    unit.accounts.save(account)
    unit.ledger.add(entries)
    unit.jobs.save(job)
    unit.events.append([event])
    return job


def account_of(
    unit: UnitOfWork, owner_id: str, period: str, policy: Policy, now: datetime
) -> Account:
    """The owner's account of a month; its first use opens it with the monthly allowance."""
    account = unit.accounts.find(owner_id, period)
    if account is not None:
        return account
    cause = Cause(f"{owner_id}:{period}", now, "system", "monthly quota")
    account, entries = Account(owner_id, period).allow(policy.monthly_allowance, cause)
    unit.accounts.save(account)
    unit.ledger.add(entries)
    return account
