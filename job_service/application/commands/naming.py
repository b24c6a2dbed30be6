"""Changing a job's state by naming the new one."""

from collections.abc import Sequence
from typing import ClassVar

from job_service.application.commands.acting import OnJob
from job_service.application.ports import UnitOfWork
from job_service.domain.errors import JobStateForbids
from job_service.domain.job import Job, JobState
from servicekit.commits import Command
from servicekit.values import Value


class NameState(Value, frozen=True):
    """Does the verb that leads to a state, unless the job is in it; ``verb`` is None if none does.

    A state that no verb leads to is refused.
    """

    name: ClassVar[str] = "job.name_state"
    job_id: str
    state: JobState
    verb: OnJob | None

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[NameState]") -> None:
        """Reads all jobs of the group in one statement."""
        unit.jobs.load([command.job_id for command in commands])

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = unit.jobs.get(self.job_id)
        if job.state is self.state:
            return job
        if self.verb is None:
            raise JobStateForbids(f"be set to {self.state}", job.id, job.state)
        verb: Command[UnitOfWork, Job] = self.verb  # type: ignore[assignment]
        return verb.run(unit)
