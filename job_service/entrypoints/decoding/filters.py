"""Conditions of lists, statements and watches."""

from collections.abc import Mapping, Sequence

from gpuaas.job.v1 import job_pb2, job_service_pb2, quota_pb2, quota_service_pb2
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.ledger import EntryKind
from job_service.domain.states import JobState
from job_service.entrypoints.decoding import fields
from servicekit.errors import InvalidArgument, Violation, invalid

MOST_IDS = 1000
LONGEST_ID = 128

STATES: Mapping[int, JobState] = {
    job_pb2.JobState.Value(f"JOB_STATE_{state.value}"): state for state in JobState
}
ENTRY_KINDS: Mapping[int, EntryKind] = {
    quota_pb2.LedgerEntry.Kind.Value(f"KIND_{kind.value}"): kind for kind in EntryKind
}
ORDERS: Mapping[int, tuple[bool, bool]] = {
    job_service_pb2.JOB_ORDER_UNSPECIFIED: (False, False),
    job_service_pb2.JOB_ORDER_CREATED_DESCENDING: (False, False),
    job_service_pb2.JOB_ORDER_CREATED_ASCENDING: (False, True),
    job_service_pb2.JOB_ORDER_UPDATED_DESCENDING: (True, False),
    job_service_pb2.JOB_ORDER_UPDATED_ASCENDING: (True, True),
}
"""Whether by time of change, and whether oldest first."""


def job_query(
    request: job_service_pb2.ListJobsRequest | job_service_pb2.ListAllJobsRequest,
    owner_id: str,
    team: str,
) -> JobQuery:
    """The conditions and the order of a list."""
    by_update, ascending = fields.known(ORDERS, request.order_by, "order_by")
    return JobQuery(
        owner_id=fields.text(owner_id, "owner_id", LONGEST_ID),
        team=fields.text(team, "team"),
        states=states(request.states),
        gpu_type=fields.text(request.gpu_type, "gpu_type"),
        pool=fields.text(request.pool, "pool"),
        provider=fields.text(request.provider, "provider"),
        name_prefix=fields.text(request.name_prefix, "name_prefix"),
        labels=label_conditions(request.labels),
        created_from=fields.moment(request, "created_from"),
        created_to=fields.moment(request, "created_to"),
        by_update=by_update,
        ascending=ascending,
        array_id=fields.text(request.array_id, "array_id", LONGEST_ID),
    )


def cancel_query(message: job_service_pb2.JobFilter, owner_id: str) -> JobQuery:
    """The conditions on jobs that are to be cancelled: oldest first, unfinished ones only.

    Raises:
        InvalidArgument: SELECTOR_EMPTY, no condition is given.
    """
    if not message.ListFields():
        raise selector_empty("filter", "at least one condition")
    wanted = states(message.states) or tuple(JobState)
    return JobQuery(
        owner_id=fields.text(owner_id, "filter.owner_id", LONGEST_ID),
        team=fields.text(message.team, "filter.team"),
        states=tuple(state for state in wanted if not state.ended),
        gpu_type=fields.text(message.gpu_type, "filter.gpu_type"),
        pool=fields.text(message.pool, "filter.pool"),
        provider=fields.text(message.provider, "filter.provider"),
        labels=label_conditions(message.labels),
        created_to=fields.moment(message, "created_to"),
        ascending=True,
        array_id=fields.text(message.array_id, "filter.array_id", LONGEST_ID),
    )


def selector_empty(field: str, expected: str) -> InvalidArgument:
    """The refusal of a request that selects nothing."""
    return InvalidArgument(
        f"{field}: expected {expected}",
        reason="SELECTOR_EMPTY",
        metadata={"field": field},
        violations=[Violation(field, f"expected {expected}")],
    )


def watch_query(request: job_service_pb2.WatchJobsRequest, owner_id: str) -> JobQuery:
    """The conditions of a watch, but for the jobs that it names."""
    return JobQuery(
        owner_id=fields.text(owner_id, "owner_id", LONGEST_ID),
        team=fields.text(request.team, "team"),
        states=states(request.states),
        labels=label_conditions(request.labels),
    )


def watched_ids(job_ids: Sequence[str]) -> frozenset[str]:
    """The jobs that a watch names."""
    return frozenset(listed_ids(job_ids))


def listed_ids(job_ids: Sequence[str]) -> tuple[str, ...]:
    """Ids of jobs, each once, in their order."""
    if len(job_ids) > MOST_IDS:
        raise invalid("job_ids", f"at most {MOST_IDS} ids")
    checked = (fields.required(job_id, "job_ids", LONGEST_ID) for job_id in job_ids)
    return tuple(dict.fromkeys(checked))


def named_state(request: job_service_pb2.UpdateJobStatusRequest) -> JobState:
    """The one state that a request names, by its number or as a word in any case."""
    if bool(request.state) == bool(request.status):
        raise invalid("state", "this or status; exactly one of them")
    if request.state:
        return fields.known(STATES, request.state, "state")
    word = request.status.upper()
    if word not in JobState.__members__:
        raise invalid("status", f"one of {', '.join(JobState)}")
    return JobState[word]


def entry_query(request: quota_service_pb2.ListLedgerEntriesRequest, subject: str) -> EntryQuery:
    """The conditions of a statement."""
    kinds = [fields.known(ENTRY_KINDS, kind, "kinds") for kind in request.kinds if kind]
    return EntryQuery(
        subject=subject,
        job_id=fields.text(request.job_id, "job_id", LONGEST_ID),
        # The number 0 among them matches every kind.
        kinds=() if 0 in request.kinds else tuple(kinds),
        from_time=fields.moment(request, "from_time"),
        to_time=fields.moment(request, "to_time"),
    )


def states(numbers: Sequence[int]) -> tuple[JobState, ...]:
    """The states of a filter; the number 0 among them matches every state, as none does."""
    wanted = [fields.known(STATES, number, "states") for number in numbers if number]
    return () if 0 in numbers else tuple(dict.fromkeys(wanted))


def label_conditions(texts: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Label conditions, each written "key=value", or "key" for any value."""
    if len(texts) > fields.MOST_LABELS:
        raise invalid("labels", f"at most {fields.MOST_LABELS} conditions")
    return tuple(_label_condition(text) for text in texts)


def _label_condition(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    fields.text(value, "labels", fields.LONGEST_LABEL_VALUE)
    return fields.label_key(key, "labels"), value if equals else None
