"""Changing a job's state by naming the new one."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from job_service.application.commands.acting import kept
from job_service.application.ports import UnitOfWork
from job_service.domain.errors import JobNotFound, JobStateForbids
from job_service.domain.job import Job
from job_service.domain.states import JobState
from servicekit.values import Value


class Verb(Protocol):
    """A command on one job."""

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""


class NameState(Value, frozen=True):
    """Does the verb that leads to a state, unless the job is in it; ``verb`` is None if none does.

    A state that no verb leads to is refused, and any for a job that has ended.
    """

    name: ClassVar[str] = "job.name_state"
    job_id: str
    state: JobState
    verb: Verb | None

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[NameState]") -> None:
        """Reads all jobs of the group in one statement."""
        unit.jobs.load([command.job_id for command in commands])

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = kept(unit, self.job_id)
        if job is None:
            raise JobNotFound(self.job_id)
        if job.state is self.state:
            return job
        if self.verb is None or job.state.ended:
            raise JobStateForbids(f"be set to {self.state}", job.id, job.state)
        return self.verb.run(unit)
