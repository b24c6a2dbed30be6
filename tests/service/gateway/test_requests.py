"""What a request over HTTP becomes at the service, and what comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from gpuaas.job.v1 import job_pb2
from tests.service.gateway.services import Witness

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_submit_answers_with_the_bare_job(client: httpx.AsyncClient) -> None:
    """The response_body of the binding is the answer; 64-bit numbers are strings."""
    answer = await client.post("/api/v1/jobs", json={"gpu_type": "A100"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "no-store" == answer.headers["cache-control"]
    body = answer.json()
    assert ("job-1", "JOB_STATE_PENDING", "1") == (body["id"], body["state"], body["version"])


async def test_an_alias_without_response_body_answers_with_the_whole(
    client: httpx.AsyncClient,
) -> None:
    """The source document's own path finds its own fields."""
    answer = await client.post("/api/gpu/jobs/submit", json={})

    assert "job-1" == answer.json()["task_id"]


async def test_body_becomes_the_message(client: httpx.AsyncClient, witness: Witness) -> None:
    """Nested objects, maps, durations and enum names arrive as what they say."""
    spec = {
        "command": "python train.py",
        "estimated_duration": "5400s",
        "labels": {"team": "vision"},
        "priority_class": "PRIORITY_CLASS_HIGH",
    }
    await client.post("/api/v1/jobs", json={"spec": spec, "priority": "HIGH"})

    [request] = witness.requests
    assert "python train.py" == request.spec.command
    assert 5400 == request.spec.estimated_duration.seconds
    assert {"team": "vision"} == dict(request.spec.labels)
    assert "HIGH" == request.priority.string_value


async def test_idempotency_key_fills_the_request_id(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The header is the REST form of request_id."""
    key = "0190a1b2-0000-7000-8000-000000000001"
    await client.post("/api/v1/jobs", json={}, headers={"Idempotency-Key": key})

    assert key == witness.requests[0].request_id


async def test_two_different_request_ids_are_refused(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """A body and a header that disagree are a mistake, not a choice of ours."""
    answer = await client.post(
        "/api/v1/jobs", json={"request_id": "a"}, headers={"Idempotency-Key": "b"}
    )

    assert 400 == answer.status_code
    assert ["request_id"] == [error["field"] for error in answer.json()["errors"]]
    assert [] == witness.requests


async def test_path_variable_and_custom_verb(client: httpx.AsyncClient, witness: Witness) -> None:
    """`/jobs/{job_id}:approve` without a body gives the id; an encoded slash belongs to it."""
    answer = await client.post("/api/v1/jobs/a%2Fb:approve")

    assert 200 == answer.status_code
    assert "a/b" == witness.requests[0].job_id


async def test_query_decodes_onto_fields(client: httpx.AsyncClient, witness: Witness) -> None:
    """Repeated fields by repeating, enums by name, times as RFC 3339."""
    answer = await client.get(
        "/api/v1/jobs",
        params=[
            ("states", "JOB_STATE_PENDING"),
            ("states", "JOB_STATE_RUNNING"),
            ("page_size", "20"),
            ("created_from", "2025-01-31T12:00:00Z"),
        ],
    )

    assert 200 == answer.status_code
    [request] = witness.requests
    assert [job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING] == list(request.states)
    assert 20 == request.page_size
    assert datetime(2025, 1, 31, 12, tzinfo=UTC) == request.created_from.ToDatetime(UTC)


async def test_login_takes_a_form(client: httpx.AsyncClient, witness: Witness) -> None:
    """The form that OAuth clients send is as good as JSON."""
    form = {"username": "ann", "password": "pass & wörd", "grant_type": "password"}
    answer = await client.post("/auth/jwt/login", data=form)

    assert {"token of ann", "bearer"} == {
        answer.json()["access_token"],
        answer.json()["token_type"],
    }
    assert ("ann", "pass & wörd") == (
        witness.requests[0].username,
        witness.requests[0].password,
    )


async def test_token_ids_and_trace_go_on_to_the_service(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The caller's bearer token, request id and trace reach the service, and the id comes back."""
    headers = {
        "Authorization": "Bearer abc",
        "X-Request-Id": "my-request",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    }
    answer = await client.get("/api/v1/jobs/1", headers=headers)

    [call] = witness.calls
    assert ("Bearer abc", "my-request") == (call.authorization, call.request_id)
    assert TRACE == call.traceparent.split("-")[1]
    assert "my-request" == answer.headers["x-request-id"]


async def test_a_request_without_ids_gets_them(client: httpx.AsyncClient, witness: Witness) -> None:
    """Service and client know the same new id."""
    answer = await client.get("/api/v1/jobs/1")

    assert witness.calls[0].request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize(("asked", "least", "most"), [(None, 9.0, 10.5), ("2.5", 1.5, 3.0)])
async def test_every_call_has_a_deadline(
    client: httpx.AsyncClient, witness: Witness, asked: str | None, least: float, most: float
) -> None:
    """Ten seconds, or what the header asks for; the wire rounds up to parts of a second."""
    headers = {"X-Request-Timeout": asked} if asked else {}
    await client.get("/api/v1/jobs/1", headers=headers)

    assert least <= witness.remaining[0] <= most


async def test_null_means_not_given(client: httpx.AsyncClient, witness: Witness) -> None:
    """Null stands for "not given", as in proto3's JSON mapping."""
    answer = await client.post("/api/v1/jobs", json={"command": None, "gpu_type": "T4"})

    assert 200 == answer.status_code
    assert ("", "T4") == (witness.requests[0].command, witness.requests[0].gpu_type)
