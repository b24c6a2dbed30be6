"""How often jobs were stopped, and from when on they may be stopped again."""

from scheduler_service.domain.scheduling.policy import DAY, PreemptionRules
from scheduler_service.domain.scheduling.requests import Job, Request


class Stops:
    """The preemptions of the jobs of one pool within a day."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {}

    def note(self, request: Request, now: int) -> None:
        """Counts a preemption of a job."""
        self._times.setdefault(request.job or request.id, []).append(now)

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
