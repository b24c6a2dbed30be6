"""Queueing: at once, or later when nothing holds a job any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from job_service.application.commands.acting import OnJob, Policy
from job_service.application.commands.storing import store
from job_service.application.ports import UnitOfWork
from job_service.domain.dependencies import Met, how_far
from job_service.domain.errors import JobStateForbids
from job_service.domain.job import SYSTEM, Job, JobEvent
from job_service.domain.runs import Failure, FailureReason, Fault, further_run_id
from job_service.domain.states import JobState
from servicekit.values import Value


class StartJob(OnJob, frozen=True):
    """Queues an approved job; again changes nothing."""

    name: ClassVar[str] = "job.start"
    run_id: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then.

        Raises:
            JobStateForbids: it is not approved, or what it waits for has not come yet.
        """
        job = self._job(unit)
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            return job
        if job.state is JobState.APPROVED and dependencies_of(unit, job)[0] is not Met.YES:
            raise JobStateForbids("be started before the jobs that it waits for", job.id, job.state)
        job, event = job.queue(self.run_id, self.caller.name, self.now)
        unit.jobs.save(job)
        unit.events.append([event])
        return job


class ReleaseJobs(Value, frozen=True):
    """Lets jobs go on whose time or dependencies held them, and ends those that never can.

    Jobs that something else still holds, or that went on already, are left alone.
    """

    name: ClassVar[str] = "job.release"
    job_ids: tuple[str, ...]
    policy: Policy
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[ReleaseJobs]") -> None:
        """Reads all jobs and those that they depend on in two statements."""
        job_ids = dict.fromkeys(job_id for it in commands for job_id in it.job_ids)
        unit.jobs.load(job_ids)
        jobs = [job for job_id in job_ids if (job := unit.jobs.find(job_id))]
        unit.jobs.load([it.job_id for job in jobs for it in job.spec.dependencies])

    def run(self, unit: UnitOfWork) -> int:
        """How many jobs went on or ended."""
        return sum(self._release(unit, job_id) for job_id in self.job_ids)

    def _release(self, unit: UnitOfWork, job_id: str) -> bool:
        job = unit.jobs.find(job_id)
        if job is None or job.state.ended:
            return False
        if job.state is JobState.QUEUED:
            return self._hand_over(unit, job)
        if job.state is JobState.RUNNING:
            return False
        met, other = dependencies_of(unit, job)
        if met is Met.NEVER:
            store(unit, job, job.fail(_unmet(unit, other), SYSTEM, self.now))
            return True
        if job.state is not JobState.APPROVED:
            return False
        run_id = further_run_id(job.id, 1)
        job, events = queue_if_ready(unit, job, run_id, SYSTEM, self.policy, self.now)
        if events:
            unit.jobs.save(job)
            unit.events.append(events)
        return bool(events)

    def _hand_over(self, unit: UnitOfWork, job: Job) -> bool:
        if job.held_until is None or job.held_until > self.now:
            return False
        job, event = job.hand_over(SYSTEM, self.now)
        unit.jobs.save(job)
        unit.events.append([event])
        return True


def queue_if_ready(
    unit: UnitOfWork, job: Job, run_id: str, by: str, policy: Policy, now: datetime
) -> tuple[Job, list[JobEvent]]:
    """Queues an approved job where starts are automatic and neither time nor jobs hold it."""
    if not policy.auto_start or not job.due(now):
        return job, []
    if job.spec.dependencies and dependencies_of(unit, job)[0] is not Met.YES:
        return job, []
    job, event = job.queue(run_id, by, now)
    return job, [event]


def dependencies_of(unit: UnitOfWork, job: Job) -> tuple[Met, str]:
    """How far a job's dependencies are altogether, and one of those that are least far."""
    found = Met.YES, ""
    for dependency in job.spec.dependencies:
        other = unit.jobs.find(dependency.job_id)
        met = how_far(dependency.condition, other.state if other else None)
        if met is Met.NEVER:
            return met, dependency.job_id
        if met is Met.NOT_YET:
            found = met, dependency.job_id
    return found


def _unmet(unit: UnitOfWork, other_id: str) -> Failure:
    other = unit.jobs.get(other_id)
    message = f"Job {other_id} had to complete first and is {other.state}."
    return Failure(Fault.USER, FailureReason.DEPENDENCY_FAILED, message)
