"""Single orders; a policy puts several one behind the other.

What is expected counts without what has been served already, so that ``sjf`` orders what was
stopped and waits again by its remaining time (SRTF), and ``ssf`` by its remaining service (SRSF).
A job of which nothing is expected goes last; what has run for longer than expected is expected to
go on for as long as it ran, as reservations assume. Devices count in thousandths.
"""

from scheduler_service.domain.scheduling.durations import remaining, remaining_line
from scheduler_service.domain.scheduling.lines import Line
from scheduler_service.domain.scheduling.requests import Job

UNKNOWN = 1 << 62


class Fifo:
    """First in, first out: by the time of submission."""

    def key(self, job: Job, now: int) -> int:
        """The time of submission."""
        return job.request.submitted

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        return (Line(0, job.request.submitted),)

    def stays(self, job: Job, now: int) -> int | None:
        """For ever."""
        return None


class PriorityFirst:
    """The greatest priority first."""

    def key(self, job: Job, now: int) -> int:
        """The priority, negative."""
        return -job.request.priority

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        return (Line(0, -job.request.priority),)

    def stays(self, job: Job, now: int) -> int | None:
        """For ever."""
        return None


class ShortestFirst:
    """The shortest remaining time first (SJF; SRTF where it stops what runs)."""

    def key(self, job: Job, now: int) -> int:
        """What is still expected, in microseconds."""
        return UNKNOWN if job.expected is None else remaining(job, now)

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        return (Line(0, UNKNOWN) if job.expected is None else remaining_line(job, now),)


class SmallestServiceFirst:
    """The smallest product of devices and remaining time first (SRSF where it stops what runs)."""

    def key(self, job: Job, now: int) -> int:
        """What is still expected, in microseconds times thousandths of a device."""
        if job.expected is None:
            return UNKNOWN
        return remaining(job, now) * job.request.shape.total_milli

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        if job.expected is None:
            return (Line(0, UNKNOWN),)
        slope, start, until = remaining_line(job, now)
        milli = job.request.shape.total_milli
        return (Line(slope * milli, start * milli, until),)


class LeastAttainedService:
    """The least service so far first, in devices times time."""

    def key(self, job: Job, now: int) -> int:
        """What it has been served, in microseconds times thousandths of a device."""
        return job.attained(now) * job.request.shape.total_milli

    def lines(self, job: Job, now: int) -> tuple[Line, ...]:
        """The key of what runs."""
        milli = job.request.shape.total_milli
        return (Line(milli, (job.served - job.since) * milli),)
