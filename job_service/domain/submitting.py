"""How a job begins."""

from datetime import datetime

from job_service.domain.job import Change, Job, JobEvent, Owner
from job_service.domain.prices import Money
from job_service.domain.spec import JobSpec
from job_service.domain.states import EventKind, JobState
from servicekit.values import Value


class Kinship(Value, frozen=True):
    """Where a new job comes from: the job that it retries, or its place in an array."""

    origin_id: str = ""
    array_id: str = ""
    array_index: int = 0


ALONE = Kinship()


def submit(
    job_id: str,
    owner: Owner,
    spec: JobSpec,
    period: str,
    now: datetime,
    kinship: Kinship = ALONE,
    *,
    team_charged: bool = False,
    price_limit: Money | None = None,
) -> Change:
    """A new job, waiting for approval, that holds the quota it may need from ``period``.

    ``team_charged`` says whether its team's quota is charged too, ``price_limit`` what a quote
    promised.
    """
    job = Job(
        job_id,
        owner,
        spec,
        JobState.PENDING,
        now,
        now,
        reserved=spec.reservation,
        period=period,
        team_charged=team_charged,
        origin_id=kinship.origin_id,
        array_id=kinship.array_id,
        array_index=kinship.array_index,
        price_limit=price_limit,
    )
    return Change(job, JobEvent(EventKind.SUBMITTED, job, owner.name, "", now))
