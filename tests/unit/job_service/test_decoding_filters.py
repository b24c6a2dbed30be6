"""Conditions of lists, statements and watches, grants, and the fields that many requests share."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gpuaas.job.v1 import job_pb2, quota_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1 import quota_service_pb2 as quota
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.ledger import EntryKind
from job_service.domain.states import JobState
from job_service.entrypoints.decoding import fields, filters
from job_service.entrypoints.decoding.grants import granted_amount
from servicekit.errors import InvalidArgument
from tests.fakes.jobs import HOUR

PENDING = job_pb2.JOB_STATE_PENDING
ANY_KIND = quota_pb2.LedgerEntry.KIND_UNSPECIFIED
APRIL = Timestamp(seconds=int(datetime(2026, 4, 1, tzinfo=UTC).timestamp()))


def listed(**conditions: Any) -> JobQuery:
    """The query of a list with these conditions."""
    return filters.job_query(pb.ListJobsRequest(**conditions), "u1", "")


def refused(call: Any) -> InvalidArgument:
    """What a call is refused with."""
    with pytest.raises(InvalidArgument) as raised:
        call()
    return raised.value


def test_every_condition_reaches_the_query() -> None:
    """Those of the request and those of the caller."""
    request = pb.ListAllJobsRequest(
        states=[job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING],
        gpu_type="A100",
        pool="training",
        provider="runpod",
        labels=["team=vision", "keep", "empty="],
        created_from=APRIL,
        created_to=APRIL,
        order_by=pb.JOB_ORDER_UPDATED_ASCENDING,
        name_prefix="bert",
    )
    april = datetime(2026, 4, 1, tzinfo=UTC)
    expected = JobQuery(
        owner_id="u1",
        team="engines",
        states=(JobState.QUEUED, JobState.RUNNING),
        gpu_type="A100",
        pool="training",
        provider="runpod",
        name_prefix="bert",
        labels=(("team", "vision"), ("keep", None), ("empty", "")),
        created_from=april,
        created_to=april,
        by_update=True,
        ascending=True,
    )
    assert expected == filters.job_query(request, "u1", "engines")


@pytest.mark.parametrize(
    ("order", "by_update", "ascending"),
    [
        (pb.JOB_ORDER_UNSPECIFIED, False, False),
        (pb.JOB_ORDER_CREATED_DESCENDING, False, False),
        (pb.JOB_ORDER_CREATED_ASCENDING, False, True),
        (pb.JOB_ORDER_UPDATED_DESCENDING, True, False),
        (pb.JOB_ORDER_UPDATED_ASCENDING, True, True),
    ],
)
def test_every_order_is_known(order: Any, *, by_update: bool, ascending: bool) -> None:
    """Newest first unless the request says otherwise."""
    query = listed(order_by=order)
    assert (by_update, ascending) == (query.by_update, query.ascending)


def test_the_unspecified_state_matches_every_state() -> None:
    """As the contract says; so it does among others."""
    states = [job_pb2.JOB_STATE_UNSPECIFIED, job_pb2.JOB_STATE_QUEUED]
    assert () == listed(states=states).states
    assert () == listed(states=[]).states


def test_every_state_of_the_contract_is_known() -> None:
    """And means the state of that name."""
    numbers = [number for number in job_pb2.JobState.values() if number]
    assert set(JobState) == set(filters.states(numbers))


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"states": [99]}, "states"),
        ({"states": [-1]}, "states"),
        ({"order_by": 99}, "order_by"),
        ({"gpu_type": "a\0"}, "gpu_type"),
        ({"pool": "x" * 1025}, "pool"),
        ({"provider": "\0"}, "provider"),
        ({"name_prefix": "\0"}, "name_prefix"),
        ({"labels": ["=x"]}, "labels"),
        ({"labels": [""]}, "labels"),
        ({"labels": ["a\0"]}, "labels"),
        ({"labels": ["a=\0"]}, "labels"),
        ({"labels": ["a"] * 33}, "labels"),
        ({"created_from": Timestamp(seconds=2**62)}, "created_from"),
        ({"created_to": Timestamp(seconds=-(2**40))}, "created_to"),
    ],
)
def test_conditions_without_sense_are_refused(conditions: dict[str, Any], field: str) -> None:
    """By name, before any database sees them."""
    assert {"field": field} == refused(lambda: listed(**conditions)).metadata


def test_the_jobs_of_an_array_can_be_listed() -> None:
    """By the id of its first job."""
    assert "a" == listed(array_id="a").array_id


def test_a_watch_knows_states_and_labels() -> None:
    """And whose jobs it is about."""
    request = pb.WatchJobsRequest(states=[PENDING], labels=["a=b"], team="engines", owner_id="u7")
    expected = JobQuery("u1", "engines", (JobState.PENDING,), labels=(("a", "b"),))
    assert expected == filters.watch_query(request, "u1")


@pytest.mark.parametrize("job_ids", [["j"] * 1001, [""], ["\0"], ["x" * 129]])
def test_a_watch_names_up_to_a_thousand_jobs(job_ids: list[str]) -> None:
    """By ids that could be some."""
    assert {"field": "job_ids"} == refused(lambda: filters.watched_ids(job_ids)).metadata
    assert frozenset({"j1", "j2"}) == filters.watched_ids(["j1", "j2", "j1"])


def test_a_statement_has_its_conditions() -> None:
    """Kinds that are not built yet are refused, the unspecified one matches all."""
    kinds = [quota_pb2.LedgerEntry.KIND_SETTLE, quota_pb2.LedgerEntry.KIND_REFUND]
    request = quota.ListLedgerEntriesRequest(job_id="j1", kinds=kinds, from_time=APRIL)
    expected = EntryQuery(
        subject="u1",
        job_id="j1",
        kinds=(EntryKind.SETTLE, EntryKind.REFUND),
        from_time=datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert expected == filters.entry_query(request, "u1")
    everything = quota.ListLedgerEntriesRequest(kinds=[ANY_KIND, quota_pb2.LedgerEntry.KIND_GRANT])
    assert EntryQuery("u1") == filters.entry_query(everything, "u1")
    unknown: Any = quota.ListLedgerEntriesRequest(kinds=[77])  # type: ignore[list-item]
    assert {"field": "kinds"} == refused(lambda: filters.entry_query(unknown, "u1")).metadata


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (500, 500), (501, 500), (2**31, 500)])
def test_a_page_has_a_most(asked: int, size: int) -> None:
    """And a default."""
    assert size == fields.page_size(asked)


def test_a_negative_page_is_refused() -> None:
    """By name."""
    assert {"field": "page_size"} == refused(lambda: fields.page_size(-1)).metadata


@pytest.mark.parametrize("text", ["", "  ", "x" * 1025, "a\0b"])
def test_a_required_text_must_be_there(text: str) -> None:
    """Blank is not there, and endless is no text."""
    assert {"field": "reason"} == refused(lambda: fields.required(text, "reason")).metadata
    assert "why" == fields.required("why", "reason")


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ({"amount_gpu_hours": 1.5}, 3 * HOUR // 2),
        ({"amount_milli_gpu_seconds": 7}, 7),
        ({"amount_gpu_hours": 1e9}, 10**9 * HOUR),
    ],
)
def test_a_grant_is_given_in_either_unit(amount: dict[str, Any], expected: int) -> None:
    """And means milli-GPU-seconds."""
    assert expected == granted_amount(quota.GrantHoursRequest(**amount))


@pytest.mark.parametrize(
    ("amount", "field"),
    [
        ({}, "amount_gpu_hours"),
        ({"amount_gpu_hours": 1, "amount_milli_gpu_seconds": 1}, "amount_gpu_hours"),
        ({"amount_gpu_hours": 0.0}, "amount_gpu_hours"),
        ({"amount_gpu_hours": -1.0}, "amount_gpu_hours"),
        ({"amount_gpu_hours": float("nan")}, "amount_gpu_hours"),
        ({"amount_gpu_hours": float("inf")}, "amount_gpu_hours"),
        ({"amount_gpu_hours": 1e-9}, "amount_gpu_hours"),
        ({"amount_milli_gpu_seconds": 0}, "amount_milli_gpu_seconds"),
        ({"amount_milli_gpu_seconds": -1}, "amount_milli_gpu_seconds"),
        ({"amount_milli_gpu_seconds": 2**62}, "amount_milli_gpu_seconds"),
    ],
)
def test_a_grant_without_sense_is_refused(amount: dict[str, Any], field: str) -> None:
    """Nothing, less than nothing, and more than can be counted."""
    request = quota.GrantHoursRequest(**amount)
    assert {"field": field} == refused(lambda: granted_amount(request)).metadata
