"""What becomes of jobs, events and dead letters that nobody has needed for long.

The ledger is not among them: it stays.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from job_service.application.ports import UnitOfWork
from servicekit.values import Value


class ArchiveJobs(Value, frozen=True):
    """Takes jobs that ended out of lists and counts; each can still be got by its id."""

    name: ClassVar[str] = "job.archive"
    job_ids: tuple[str, ...]
    before: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[ArchiveJobs]") -> None:
        """Reads all jobs in one statement."""
        unit.jobs.load([job_id for command in commands for job_id in command.job_ids])

    def run(self, unit: UnitOfWork) -> int:
        """How many were archived; those that did not end before the time are left alone."""
        found = [job for it in self.job_ids if (job := unit.jobs.find(it))]
        old = [it for it in found if it.ended_at is not None and it.updated_at < self.before]
        unit.jobs.archive(old)
        return len(old)


class TrimLog(Value, frozen=True):
    """Deletes the log's events up to a revision; a cursor before it is then too old."""

    name: ClassVar[str] = "log.trim"
    revision: int

    def run(self, unit: UnitOfWork) -> None:
        """Nothing."""
        unit.events.trim(self.revision)


class ForgetDeadLetters(Value, frozen=True):
    """Deletes dead letters whose last attempt was before a time."""

    name: ClassVar[str] = "webhook.forget"
    before: datetime
    most: int

    def run(self, unit: UnitOfWork) -> int:
        """How many were deleted."""
        return unit.deliveries.forget(self.before, self.most)
