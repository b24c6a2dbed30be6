"""Least attained service in levels."""

from bisect import bisect_right

from scheduler_service.domain.scheduling.lines import Line
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import SECOND, Job

GPU_HOUR = 3_600 * SECOND * 1_000
"""One device for one hour, in microseconds times thousandths of a device."""


class AttainedLevels:
    """Whoever has had less service first, but only in levels: equals within a level.

    The discretized two-dimensional least attained service of Tiresias (Gu et al., NSDI 2019,
    sections 3.2 and 3.3): service counts in devices times time, and a job sinks by one level
    whenever its service reaches the next threshold. Without levels, two long jobs that have had
    about the same would stop each other again and again.

    Settings, among the policy's options: ``las_first``, the service in device-hours at which a job
    leaves the first level; ``las_ratio``, by which every threshold is greater than the one before;
    ``las_levels``, the number of thresholds.
    """

    def __init__(self, policy: Policy) -> None:
        options = dict(policy.options)
        first, ratio = options.get("las_first", 1.0), options.get("las_ratio", 8.0)
        count = int(options.get("las_levels", 3))
        self._thresholds = [round(first * ratio**step * GPU_HOUR) for step in range(count)]

    def key(self, job: Job, now: int) -> int:
        """The number of thresholds reached."""
        return bisect_right(self._thresholds, job.attained(now) * job.request.shape.total_milli)

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        return (Line(0, self.key(job, now), self.stays(job, now)),)

    def stays(self, job: Job, now: int) -> int | None:
        """Until when a running job keeps its key; None for always."""
        level = self.key(job, now)
        if level == len(self._thresholds):
            return None
        milli = max(job.request.shape.total_milli, 1)
        lacking = self._thresholds[level] - job.attained(now) * milli
        return now - (-lacking // milli)
