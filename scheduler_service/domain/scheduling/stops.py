"""How often jobs were stopped, and from when on they may be stopped again."""

from scheduler_service.domain.scheduling.policy import DAY, PreemptionRules
from scheduler_service.domain.scheduling.requests import Job, Request

_SLACK = 1_000


class Stops:
    """The preemptions of the jobs of one pool within a day."""

    __slots__ = ("_noted", "_recent", "_times")

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {}
        self._recent = 0
        self._noted = 0

    def __len__(self) -> int:
        """The room that they take: more than there were within a day, but never much more."""
        return sum(map(len, self._times.values()))

    def note(self, request: Request, now: int) -> None:
        """Counts a preemption of a job."""
        self._times.setdefault(request.job or request.id, []).append(now)
        self._noted += 1
        if self._noted > self._recent + _SLACK:
            self._forget_until(now - DAY)

    def forget(self, job: Job) -> None:
        """Takes note that a job will not come back."""
        if self._times:
            self._times.pop(job.request.id, None)

    def stoppable_at(self, job: Job, rules: PreemptionRules, now: int) -> int | None:
        """From when on a running job may be stopped; None for never.

        It has its guaranteed time, and is not stopped too often a day. What had waited too long
        before it started is left alone.
        """
        if job.aged or not rules.per_job_and_day:
            return None
        at = job.since + rules.minimum_runtime
        times = self._times.get(job.request.job or job.request.id) if self._times else None
        if times:
            times[:] = [time for time in times if time > now - DAY]
            if len(times) >= rules.per_job_and_day:
                at = max(at, times[-rules.per_job_and_day] + DAY)
        return at

    def _forget_until(self, then: int) -> None:
        """Whether a job whose run is over comes back is not known, so that only time tells."""
        recent = ((job, [at for at in times if at > then]) for job, times in self._times.items())
        self._times = {job: times for job, times in recent if times}
        self._recent, self._noted = len(self), 0
