"""What changes of a job's life come to: its row, its event, and its books."""

from job_service.application.commands.books import rebook
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Change, Job


def store(unit: UnitOfWork, before: Job, change: Change) -> Job:
    """Stores a changed job and charges what it holds or has used now, and returns the job.

    Raises:
        QuotaExceeded: it holds more than is available.
    """
    job, event = change
    if (before.reserved, before.used) != (job.reserved, job.used):
        rebook(unit, before, job)
    unit.jobs.save(job)
    unit.events.append([event])
    return job
