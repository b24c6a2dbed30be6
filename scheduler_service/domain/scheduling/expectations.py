"""What is expected of everything that waits or runs, kept up to date with what has ended."""

from collections.abc import Hashable, Iterable

from scheduler_service.domain.scheduling.policy import DurationSource
from scheduler_service.domain.scheduling.protocols import EVERYONE, Predictor
from scheduler_service.domain.scheduling.requests import Job, Request


class Expectations:
    """Sets what is expected of jobs, and knows which are affected when a prediction moves."""

    def __init__(self, predictor: Predictor | None) -> None:
        self._predictor = predictor
        self._kin: dict[Hashable, dict[str, Job]] = {}

    def add(self, job: Job) -> None:
        """A job has come."""
        if self._predictor is None:
            job.expected = job.request.estimate
            return
        self.expect(job)
        self._kin.setdefault(self._predictor.kin(job.request), {})[job.request.id] = job

    def remove(self, job: Job) -> None:
        """A job will not come back."""
        if self._predictor is None:
            return
        kin = self._predictor.kin(job.request)
        members = self._kin[kin]
        del members[job.request.id]
        if not members:
            del self._kin[kin]

    def expect(self, job: Job) -> None:
        """Sets what is expected of a job by the policy of its pool."""
        job.expected, job.late = job.request.estimate, None
        if self._predictor and job.pool.policy.durations is DurationSource.PREDICTION:
            prediction = self._predictor.predict(job.request)
            if prediction is not None:
                job.expected, job.late = prediction.expected, prediction.p90

    def learn(self, ended: Request, served: int, now: int) -> None:
        """Takes note of a run that has ended by itself; what waits alike gets another place."""
        if self._predictor is None:
            return
        moved = self._predictor.learn(ended, served, now)
        if moved is None:
            return
        for job in self._alike(moved):
            if job.group is not None and job.pool.policy.durations is DurationSource.PREDICTION:
                self.expect(job)
                job.pool.revise(job, now)

    def _alike(self, moved: Hashable) -> Iterable[Job]:
        if moved == EVERYONE:
            return [job for members in self._kin.values() for job in members.values()]
        return self._kin.get(moved, {}).values()
