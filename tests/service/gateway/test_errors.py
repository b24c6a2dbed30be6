"""Every kind of refusal as problem+json: what was wrong, a reason for programs, the request id."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from servicekit.errors import ResourceExhausted, Unauthenticated
from tests.service.gateway.conftest import House
from tests.service.gateway.services import Witness, job_not_found, quota_exceeded

JOBS = "/api/v1/jobs"


def check(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """Returns the problem document after holding it against its form."""
    assert (status, "application/problem+json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    problem: dict[str, Any] = answer.json()
    keys = {"type", "title", "status", "detail", "reason", "request_id", "errors", "metadata"}
    assert keys == problem.keys()
    assert (status, reason) == (problem["status"], problem["reason"])
    assert answer.headers["x-request-id"] == problem["request_id"]
    return problem


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"gpu_typo": "A100"}, "gpu_typo", 'unknown field, did you mean "gpu_type"?'),
        ({"spec": {"cmd": "x"}}, "spec.cmd", "unknown field"),
        ({"gpu_count": "many"}, "gpu_count", "expected an integer"),
        ({"gpu_count": 2**31}, "gpu_count", "expected an integer from -2147483648 to 2147483647"),
        ({"estimated_hours": True}, "estimated_hours", "expected a number"),
        ({"command": 7}, "command", "expected a string"),
        ({"spec": []}, "spec", "expected an object"),
        ({"spec": {"args": ["a", 1]}}, "spec.args[1]", "expected a string"),
        ({"spec": {"labels": {"a": 1}}}, "spec.labels[a]", "expected a string"),
        ({"spec": {"not_before": "soon"}}, "spec.not_before", "expected an RFC 3339 time"),
        ({"spec": {"max_runtime": "1h"}}, "spec.max_runtime", "expected a duration in seconds"),
        ({"spec": {"dependencies": [{"job_id": 1}]}}, "spec.dependencies[0].job_id", "a string"),
        ({"spec": {"strategy": "CHEAP"}}, "spec.strategy", "expected one of STRATEGY_"),
    ],
)
async def test_a_wrong_field_is_named(
    client: httpx.AsyncClient, witness: Witness, body: Any, field: str, expected: str
) -> None:
    """The path of the field, and what was expected there; the service is not asked."""
    problem = check(await client.post(JOBS, json=body), 400, "FIELD_INVALID")

    [error] = problem["errors"]
    assert field == error["field"]
    assert expected in error["description"]
    assert [] == witness.requests


async def test_all_wrong_fields_are_named_at_once(client: httpx.AsyncClient) -> None:
    """One round trip tells everything that is wrong with the body."""
    body = {"gpu_count": "x", "spec": {"command": 1, "args": [1, "a", 2]}, "what": 1}
    problem = check(await client.post(JOBS, json=body), 400, "FIELD_INVALID")

    fields = [error["field"] for error in problem["errors"]]
    assert ["gpu_count", "spec.command", "spec.args[0]", "spec.args[2]", "what"] == fields


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"'])
async def test_what_is_no_json_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    """Bytes that are no JSON say so, before any field is looked at."""
    check(await client.post(JOBS, content=body), 400, "MESSAGE_MALFORMED")


async def test_deep_nesting_is_refused(client: httpx.AsyncClient) -> None:
    """A body that is nested without end is an error of the caller, not of ours."""
    body = b'{"priority":' + b"[" * 900 + b"]" * 900 + b"}"
    check(await client.post(JOBS, content=body), 400, "FIELD_INVALID")


async def test_a_field_of_the_path_is_not_taken_from_the_body(client: httpx.AsyncClient) -> None:
    """Two places for one fact would be one too many."""
    answer = await client.post(f"{JOBS}/1:approve", json={"job_id": "2"})
    assert "job_id" == check(answer, 400, "FIELD_INVALID")["errors"][0]["field"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=1", "page"),
        ("page_size=ten", "page_size"),
        ("page_size=1&page_size=2", "page_size"),
        ("states=PENDING", "states[0]"),
        ("created_from=yesterday", "created_from"),
    ],
)
async def test_a_wrong_query_parameter_is_named(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    """Unknown, unreadable or doubled parameters are refused, not ignored."""
    problem = check(await client.get(f"{JOBS}?{query}"), 400, "FIELD_INVALID")
    assert field == problem["errors"][0]["field"]


async def test_a_body_of_2_mib_is_too_large(client: httpx.AsyncClient, witness: Witness) -> None:
    """413 by its announced length, and as well when it announces none."""
    big = b'{"command": "' + b"x" * (2 * 1024 * 1024) + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    check(await client.post(JOBS, content=big), 413, "MESSAGE_TOO_LARGE")
    check(await client.post(JOBS, content=pieces()), 413, "MESSAGE_TOO_LARGE")
    assert [] == witness.requests


async def test_large_headers_are_refused(client: httpx.AsyncClient) -> None:
    """431 for the head as a whole, and for a token that gRPC would not carry."""
    check(await client.get(JOBS, headers={"X-Junk": "x" * 20_000}), 431, "HEADERS_TOO_LARGE")
    token = {"Authorization": "Bearer " + "x" * 5_000}
    check(await client.get(JOBS, headers=token), 431, "HEADERS_TOO_LARGE")


async def test_a_head_without_end_is_cut_off(house: House) -> None:
    """The connection ends with 431 although the head never does."""
    reader, writer = await asyncio.open_connection(*house.address)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-junk: ")
    writer.write(b"x" * 200_000)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"reason":"HEADERS_TOO_LARGE"' in answer


async def test_a_head_that_does_not_come_ends_the_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who connects and says nothing, or half of it, is not waited for."""
    monkeypatch.setattr("gateway.server.HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(*house.address)
    writer.write(b"GET / HTTP/1.1\r\nhost")

    assert b"" == await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_what_is_no_http_is_a_problem_too(house: House) -> None:
    """Bytes that are no request get 400 and the end of the connection."""
    reader, writer = await asyncio.open_connection(*house.address)
    writer.write(b"hello\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


async def test_other_media_types_are_refused(client: httpx.AsyncClient) -> None:
    """XML is not JSON, whatever it says."""
    answer = await client.post(JOBS, content=b"<a/>", headers={"Content-Type": "text/xml"})
    check(answer, 415, "MEDIA_TYPE_UNSUPPORTED")


async def test_unknown_path_and_method(client: httpx.AsyncClient) -> None:
    """404 for what is not there; 405 says what is."""
    check(await client.get("/api/v1/nothing"), 404, "ROUTE_NOT_FOUND")
    check(await client.get(f"{JOBS}/%ff"), 404, "ROUTE_NOT_FOUND")
    answer = await client.put(JOBS, json={})
    check(answer, 405, "METHOD_NOT_ALLOWED")
    assert "GET, POST" == answer.headers["allow"]
    check(await client.post("/livez"), 405, "METHOD_NOT_ALLOWED")


async def test_a_services_failure_keeps_reason_and_facts(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """Too little quota is 400 with the service's own reason, words and metadata."""
    witness.failure = quota_exceeded()
    problem = check(await client.post(JOBS, json={}), 400, "QUOTA_EXCEEDED")

    assert {"left_milli_gpu_seconds": "3600000"} == problem["metadata"]
    assert "asked for 2 GPU-hours, 1 is left" == problem["detail"]
    assert "urn:gpuaas:problem:QUOTA_EXCEEDED" == problem["type"]


async def test_not_found_and_no_token(client: httpx.AsyncClient, witness: Witness) -> None:
    """404 for a stranger's job, 401 with the scheme to use."""
    witness.failure = job_not_found()
    check(await client.get(f"{JOBS}/x"), 404, "JOB_NOT_FOUND")

    witness.failure = Unauthenticated("no token", reason="TOKEN_MISSING")
    answer = await client.get(f"{JOBS}/x")
    check(answer, 401, "TOKEN_MISSING")
    assert "Bearer" == answer.headers["www-authenticate"]


async def test_retry_after_is_whole_seconds(client: httpx.AsyncClient, witness: Witness) -> None:
    """RetryInfo becomes the header that HTTP clients know, rounded up."""
    witness.failure = ResourceExhausted("later", retry_after=timedelta(milliseconds=1500))
    answer = await client.post(JOBS, json={})

    check(answer, 429, "OVERLOADED")
    assert "2" == answer.headers["retry-after"]


async def test_a_services_defect_shows_an_id_only(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The exception's text stays in the service's log."""
    witness.failure = RuntimeError("password is hunter2")
    answer = await client.post(JOBS, json={})

    assert check(answer, 500, "INTERNAL")["metadata"].keys() == {"error_id"}
    assert "hunter2" not in answer.text


async def test_a_call_ends_at_its_deadline(client: httpx.AsyncClient, witness: Witness) -> None:
    """504 after the time that the caller gave, and the service stops working on it."""
    witness.hang = True
    answer = await client.post(JOBS, json={}, headers={"X-Request-Timeout": "0.2"})

    check(answer, 504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(witness.cancelled.wait(), 30)


@pytest.mark.parametrize("asked", ["-1", "0", "soon", "1e9"])
async def test_a_timeout_that_is_none_is_refused(client: httpx.AsyncClient, asked: str) -> None:
    """The header says seconds or nothing."""
    answer = await client.get(f"{JOBS}/x", headers={"X-Request-Timeout": asked})
    check(answer, 400, "FIELD_INVALID")


async def test_a_service_that_is_away_shows_no_address(house: House) -> None:
    """503 in our words; gRPC's own name the host and port behind the door."""
    await house.services["job"].drain()
    answer = await house.client.post(JOBS, json={})

    problem = check(answer, 503, "UNAVAILABLE")
    assert "127.0.0.1" not in problem["detail"]
