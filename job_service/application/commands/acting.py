"""Who asks, by which policy, and the base of verbs on one job."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from job_service.application.ports import UnitOfWork
from job_service.domain.approval import Rules
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job
from job_service.domain.runs import RetryRule
from servicekit.values import Value


class Policy(Value, frozen=True):
    """What an installation decides: the monthly allowance, approvals, starts, and retries.

    ``monthly_allowance`` is in milli-GPU-seconds; ``rules`` decide about jobs until an admin sets
    others; ``retry`` holds for jobs without a rule. A run without a maximum runtime is stopped at
    its estimate, or goes on until ``longest_overrun`` and is billed for it.
    """

    monthly_allowance: int
    rules: Rules
    auto_start: bool
    retry: RetryRule = RetryRule()
    longest_overrun: timedelta | None = None


class Caller(Value, frozen=True):
    """Who asks. Admins see and change every job, others their own."""

    id: str
    name: str
    is_admin: bool

    def may_see(self, job: Job) -> bool:
        """Whether the job exists as far as this caller is concerned."""
        return self.is_admin or job.owner.id == self.id


class OnJob(Value, frozen=True):
    """A verb on one job by somebody."""

    job_id: str
    caller: Caller
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[OnJob]") -> None:
        """Reads all jobs of the group in one statement."""
        unit.jobs.load([command.job_id for command in commands])

    def _job(self, unit: UnitOfWork) -> Job:
        job = kept(unit, self.job_id)
        if job is None or not self.caller.may_see(job):
            raise JobNotFound(self.job_id)
        return job


def kept(unit: UnitOfWork, job_id: str) -> Job | None:
    """A job as it stands, also if it is archived, or None."""
    return unit.jobs.find(job_id) or unit.jobs.archived(job_id)
