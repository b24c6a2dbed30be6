"""Ending jobs before their time."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from job_service.application.commands.acting import Caller, OnJob, kept
from job_service.application.commands.storing import store
from job_service.application.ports import JobQuery, UnitOfWork
from job_service.domain.job import Job
from job_service.domain.runs import Failure
from job_service.domain.states import JobState
from servicekit.values import Value


class CancelJob(OnJob, frozen=True):
    """Cancels an unfinished job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.cancel"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.CANCELLED:
            return job
        return store(unit, job, job.cancel(self.caller.name, self.reason, self.now))


class CancelKind(StrEnum):
    """What became of one of the jobs that were to be cancelled."""

    CANCELLED = "CANCELLED"
    ALREADY_ENDED = "ALREADY_ENDED"
    NOT_FOUND = "NOT_FOUND"


class Cancelled(Value, frozen=True):
    """What became of one job, and the state that it is in then."""

    job_id: str
    kind: CancelKind
    state: JobState | None = None


class CancelJobs(Value, frozen=True):
    """Cancels many jobs, each with an answer of its own.

    Jobs that were found by conditions are left alone where those hold no longer.
    """

    name: ClassVar[str] = "job.cancel"
    job_ids: tuple[str, ...]
    caller: Caller
    now: datetime
    reason: str
    query: JobQuery | None = None

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[CancelJobs]") -> None:
        """Reads all jobs of the group in one statement."""
        unit.jobs.load([job_id for command in commands for job_id in command.job_ids])

    def run(self, unit: UnitOfWork) -> list[Cancelled]:
        """What became of each, in the order of the ids."""
        found = (self._one(unit, job_id) for job_id in self.job_ids)
        return [result for result in found if result]

    def _one(self, unit: UnitOfWork, job_id: str) -> Cancelled | None:
        job = kept(unit, job_id)
        if job is None or not self.caller.may_see(job):
            return Cancelled(job_id, CancelKind.NOT_FOUND)
        if self.query and not self.query.shows(job.state):
            return None
        if not job.state.ended:
            job = store(unit, job, job.cancel(self.caller.name, self.reason, self.now))
        elif job.state is not JobState.CANCELLED:
            return Cancelled(job_id, CancelKind.ALREADY_ENDED, job.state)
        return Cancelled(job_id, CancelKind.CANCELLED, job.state)


class EndJob(OnJob, frozen=True):
    """An admin ends a running job: well without a failure."""

    name: ClassVar[str] = "job.end"
    failure: Failure | None

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        return store(unit, job, job.set_ended(self.failure, self.caller.name, self.now))
