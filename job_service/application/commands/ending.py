"""What every end of a job comes to: its row, its event, and its books."""

from job_service.application.commands.books import rebook
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Change, Job


def end(unit: UnitOfWork, before: Job, change: Change) -> Job:
    """Stores a job that ended, settles its reservation and returns the job."""
    job, event = change
    rebook(unit, before, job)
    unit.jobs.save(job)
    unit.events.append([event])
    return job
