"""Submits of one job and of many."""

from datetime import timedelta

from gpuaas.job.v1 import job_pb2, job_service_pb2
from job_service.domain.offers import ANYWHERE, Places
from job_service.domain.spec import JobSpec
from job_service.entrypoints.decoding.shorthand import merged
from job_service.entrypoints.decoding.specs import job_spec
from servicekit.errors import Failure, invalid

MOST_IN_BATCH = 1000


def submitted_spec(
    request: job_service_pb2.SubmitJobRequest,
    known_types: frozenset[str],
    longest_overrun: timedelta | None = None,
    places: Places = ANYWHERE,
) -> JobSpec:
    """The spec of a submit, its shorthand fields merged in."""
    spec = merged(request)
    return job_spec(spec, "spec.", known_types, 0, longest_overrun, places)


def batch_specs(
    request: job_service_pb2.BatchSubmitJobsRequest,
    known_types: frozenset[str],
    longest_overrun: timedelta | None = None,
    places: Places = ANYWHERE,
) -> list[JobSpec | Failure]:
    """The specs of a batch; for each that makes no sense, why."""
    if not 0 < len(request.specs) <= MOST_IN_BATCH:
        raise invalid("specs", f"1 to {MOST_IN_BATCH} specs")
    if sum(max(1, spec.array_size) for spec in request.specs) > MOST_IN_BATCH:
        raise invalid("specs", f"at most {MOST_IN_BATCH} jobs, those of arrays counted singly")
    count = len(request.specs)
    return [
        _spec_or_failure(spec, f"specs[{place}].", known_types, count, longest_overrun, places)
        for place, spec in enumerate(request.specs)
    ]


def _spec_or_failure(
    message: job_pb2.JobSpec,
    path: str,
    known_types: frozenset[str],
    batch: int,
    longest_overrun: timedelta | None,
    places: Places,
) -> JobSpec | Failure:
    try:
        return job_spec(message, path, known_types, batch, longest_overrun, places)
    except Failure as refused:
        return refused
