"""Ending jobs before their time."""

from typing import ClassVar

from job_service.application.commands.acting import OnJob
from job_service.application.commands.ending import end
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Job, JobState


class CancelJob(OnJob, frozen=True):
    """Cancels an unfinished job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.cancel"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.CANCELLED:
            return job
        return end(unit, job, job.cancel(self.caller.name, self.reason, self.now))
