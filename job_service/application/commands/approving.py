"""What an admin decides about a job before it runs."""

from typing import ClassVar

from job_service.application.commands.acting import OnJob, Policy
from job_service.application.commands.ending import end
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Job, JobState


class ApproveJob(OnJob, frozen=True):
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


class RejectJob(OnJob, frozen=True):
    """Rejects a pending job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.reject"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.REJECTED:
            return job
        return end(unit, job, job.reject(self.caller.name, self.reason, self.now))


class StartJob(OnJob, frozen=True):
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
