"""What every end of a job comes to: its row, its event, and its books."""

from job_service.application.ports import UnitOfWork
from job_service.domain.job import Change, Job


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
