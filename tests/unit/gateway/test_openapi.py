"""The OpenAPI document: complete, valid by its references, and described by the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from gateway.contracts import load_contracts
from gateway.openapi import openapi_document, path_of
from gateway.routes import Route, routes_of


@cache
def document() -> dict[str, Any]:
    """Returns the contracts' document."""
    contracts = load_contracts()
    made = openapi_document(contracts, routes(), title="T", version="v1")
    read: dict[str, Any] = orjson.loads(made)
    return read


def routes() -> list[Route]:
    """Returns the contracts' routes."""
    return list(routes_of(load_contracts().services))


def operations() -> Iterator[dict[str, Any]]:
    """Yields every operation of the document."""
    for item in document()["paths"].values():
        yield from item.values()


def references(value: Any) -> Iterator[str]:
    """Yields every `$ref` within a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_paths_are_the_route_table() -> None:
    """Every binding is described, and nothing else."""
    listed = {(verb, path) for path, item in document()["paths"].items() for verb in item}
    assert {(route.verb.lower(), path_of(route)) for route in routes()} == listed


def test_references_lead_somewhere() -> None:
    """Every `$ref` names a component that is there."""
    known = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    assert set(references(document())) <= known


def test_operations_have_ids_of_their_own_and_words() -> None:
    """Generated clients name their functions by the id; people read the summary."""
    ids = [operation["operationId"] for operation in operations()]
    assert len(ids) == len(set(ids))
    assert [] == [each["operationId"] for each in operations() if not each["summary"]]


def test_every_path_variable_is_a_parameter() -> None:
    """And it is required, as OpenAPI wants it."""
    for route in routes():
        operation = document()["paths"][path_of(route)][route.verb.lower()]
        given = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert {variable.field for variable in route.template.variables} == given


def test_who_may_call_is_in_the_document() -> None:
    """Public operations need no token, all others do, and the callers are named."""
    paths = document()["paths"]
    assert [] == paths["/api/v1/auth/login"]["post"]["security"]
    approve = paths["/api/v1/jobs/{job_id}:approve"]["post"]
    assert ([{"bearer": []}], ["admin"]) == (approve["security"], approve["x-callers"])


def test_a_body_has_no_field_of_the_path() -> None:
    """What the path gives is refused in the body, so the schema does not have it."""
    approve = document()["paths"]["/api/v1/jobs/{job_id}:approve"]["post"]
    schema = approve["requestBody"]["content"]["application/json"]["schema"]
    assert "job_id" not in schema["properties"]
    assert "comment" in schema["properties"]


def test_comments_are_descriptions() -> None:
    """The words of the contracts reach the reader of the document."""
    job = document()["components"]["schemas"]["gpuaas.job.v1.Job"]
    assert "What a user asked for" in job["description"]
    assert "User who submitted the job." == job["properties"]["owner_id"]["description"]
    state = document()["components"]["schemas"]["gpuaas.job.v1.JobState"]
    assert "- `JOB_STATE_RUNNING`: Runs." in state["description"]


def test_aliases_name_the_canonical_route() -> None:
    """A reader of an old path finds the new one."""
    assert "`POST /api/v1/jobs`" in document()["paths"]["/jobs"]["post"]["description"]


def test_streams_are_server_sent_events_that_resume() -> None:
    """The media type, and the header that resumes."""
    watch = document()["paths"]["/api/v1/jobs:watch"]["get"]
    assert ["text/event-stream"] == list(watch["responses"]["200"]["content"])
    assert {"Last-Event-ID", "ticket"} <= {each["name"] for each in watch["parameters"]}
