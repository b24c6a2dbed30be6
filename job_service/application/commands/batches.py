"""Many submits in one transaction, and submits that are only tried."""

from collections.abc import Sequence
from typing import Any, ClassVar

from job_service.application.commands.submitting import SubmitJob
from job_service.application.ports import UnitOfWork
from job_service.domain.dependencies import Dependency, order
from job_service.domain.errors import BatchAborted, DependencyNotFound
from job_service.domain.job import Job
from servicekit.errors import Aborted, Failure
from servicekit.values import Value, replace


class SubmitJobs(Value, frozen=True):
    """Submits many jobs in one transaction.

    Each is refused or accepted alone unless all must be accepted. One whose spec made no sense
    comes as what it is refused with. A job may depend on others of the batch by their places.
    """

    name: ClassVar[str] = "job.submit"
    is_batch: ClassVar[bool] = True
    submits: tuple[SubmitJob | Failure, ...]
    all_or_nothing: bool

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[SubmitJobs]") -> None:
        """Reads the accounts of all submitters in one statement."""
        submits = [submit for command in commands for submit in command.submits]
        SubmitJob.prefetch(unit, [submit for submit in submits if isinstance(submit, SubmitJob)])

    def run(self, unit: UnitOfWork) -> list[Job | Failure]:
        """For each submit its job, or why it was refused; nothing is stored of a refused one.

        Raises:
            BatchAborted: one was refused where all must be accepted.
            DependencyCycle: some would wait for each other.
        """
        results: dict[int, Job | Failure] = {}
        for place in self._order():
            results[place] = self._one(place, unit, results)
        return [results[place] for place in range(len(self.submits))]

    def _order(self) -> Sequence[int]:
        """The places, each after those that it depends on."""
        places = {
            place: [it.batch_index for it in _dependencies(submit) if it.batch_index is not None]
            for place, submit in enumerate(self.submits)
        }
        return order(places) if any(places.values()) else range(len(self.submits))

    def _one(self, place: int, unit: UnitOfWork, before: dict[int, Job | Failure]) -> Job | Failure:
        submit = self.submits[place]
        try:
            if isinstance(submit, Failure):
                raise submit
            return self._resolved(submit, before).run(unit)
        except Failure as refused:
            if self.all_or_nothing:
                raise BatchAborted(place, refused) from refused
            return refused

    def _resolved(self, submit: SubmitJob, before: dict[int, Job | Failure]) -> SubmitJob:
        """The submit with ids in place of places; an array stands for all of its jobs."""
        if all(it.batch_index is None for it in submit.spec.dependencies):
            return submit
        found: list[Dependency] = []
        for dependency in submit.spec.dependencies:
            place = dependency.batch_index
            if place is None:
                found.append(dependency)
                continue
            other = self.submits[place]
            if not isinstance(before[place], Job) or isinstance(other, Failure):
                raise DependencyNotFound(f"of item {place}")
            ids = (other.job_id, *other.more_ids)
            found += [Dependency(job_id, dependency.condition) for job_id in ids]
        return replace(submit, spec=replace(submit.spec, dependencies=tuple(found)))


class Tried(Aborted):
    """What a command would have answered; that it is raised leaves nothing of the change.

    Attributes:
        answer: the answer.
    """

    def __init__(self, answer: Any) -> None:
        super().__init__("Only tried; nothing was stored.")
        self.answer = answer


class Try(Value, frozen=True):
    """Runs a command and leaves nothing of it: it is refused with its answer."""

    name: ClassVar[str] = "job.try"
    command: Any

    def run(self, unit: UnitOfWork) -> None:
        """Raises what the command refuses, or Tried."""
        raise Tried(self.command.run(unit))


def _dependencies(submit: SubmitJob | Failure) -> tuple[Dependency, ...]:
    return () if isinstance(submit, Failure) else submit.spec.dependencies
