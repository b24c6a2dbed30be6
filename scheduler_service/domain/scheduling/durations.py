"""How long what runs will go on running."""

from scheduler_service.domain.scheduling.lines import Line, sooner
from scheduler_service.domain.scheduling.requests import SECOND, Job

UNKNOWN = 3_600 * SECOND
OVERDUE = 60 * SECOND


def remaining(job: Job, now: int, *, late: bool = False) -> int:
    """Service that a job still needs, as far as is known; always some.

    What has run longer than expected is expected to go on for as long as it has run (Tsafrir et
    al., "Backfilling using system-generated predictions", TPDS 2007, section 4, correct predictions
    that turn out too short in a similar way). ``late``: what one of ten exceeds.
    """
    attained = job.attained(now)
    expected = job.late if late and job.late is not None else job.expected
    if expected is None:
        left = max(attained, UNKNOWN)
    elif expected > attained:
        left = expected - attained
    else:
        left = max(attained, OVERDUE)
    if job.request.limit is not None:
        left = max(min(left, job.request.limit - attained), 1)
    return left


def remaining_line(job: Job, now: int) -> Line:
    """``remaining`` of what runs, as long as it falls or grows as it does now."""
    begun = job.since - job.served
    line = _expected_line(job, begun, now)
    if job.request.limit is None:
        return line
    end = begun + job.request.limit
    limit = Line(-1, end) if now < end - 1 else Line(0, 1)
    if limit.at(now) <= line.at(now):
        # It falls, and faster than what is expected, until that begins to grow, or to the least.
        return limit._replace(until=end - 1 if limit.slope else None)
    return line._replace(until=sooner(line.until, line.reaches(limit, now)))


def _expected_line(job: Job, begun: int, now: int) -> Line:
    """What is left of what is expected, without regard to the limit."""
    if job.expected is None:
        least = UNKNOWN
    elif now < begun + job.expected:
        return Line(-1, begun + job.expected, begun + job.expected)
    else:
        least = OVERDUE
    return Line(0, least, begun + least) if now < begun + least else Line(1, -begun)


def expected_end(job: Job, now: int) -> int:
    """When a running job is expected to end, always later than ``now``.

    As ``remaining``, but the same whenever it is asked until that time has passed: what has run for
    longer than expected is expected to take twice as long, and again. What has passed its limit
    will be stopped any moment.
    """
    begun = job.since - job.served
    service = UNKNOWN if job.expected is None else job.expected
    while begun + service <= now:
        service += max(service, OVERDUE)
    if job.request.limit is None or job.request.limit >= service:
        return begun + service
    limit = begun + job.request.limit
    return limit if limit > now else limit + ((now - limit) // OVERDUE + 1) * OVERDUE
