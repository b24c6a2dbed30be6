"""The route table on descriptors made here, and on the contracts."""

from __future__ import annotations

from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from gateway.contracts import load_contracts
from gateway.routes import NoRoute, RouteConflict, RouteTable, VerbNotAllowed, routes_of

# Its own types call it a field, not an extension.
HTTP: Any = annotations_pb2.http


def service(*rules: http_pb2.HttpRule) -> ServiceDescriptor:
    """Returns a service with one method for each rule: Method0, Method1, ..."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    file.message_type.add(name="Empty")
    made = file.service.add(name="Service")
    for number, rule in enumerate(rules):
        method = made.method.add(
            name=f"Method{number}", input_type=".t.Empty", output_type=".t.Empty"
        )
        method.options.Extensions[HTTP].CopyFrom(rule)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(http_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(annotations_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool.FindServiceByName("t.Service")


def table(*rules: http_pb2.HttpRule) -> RouteTable[str]:
    """Returns a table whose targets are the methods' names."""
    made: RouteTable[str] = RouteTable()
    for route in routes_of([service(*rules)]):
        made.add(route, route.method.name)
    return made


GET = http_pb2.HttpRule(get="/v1/jobs/{job_id}")
ME = http_pb2.HttpRule(get="/v1/jobs/me")
CANCEL = http_pb2.HttpRule(post="/v1/jobs/{job_id}:cancel")
SUBMIT = http_pb2.HttpRule(
    post="/v1/jobs", body="*", additional_bindings=[http_pb2.HttpRule(post="/jobs", body="*")]
)
FILES = http_pb2.HttpRule(get="/files/{path=**}")


@pytest.mark.parametrize(
    ("verb", "path", "target", "values"),
    [
        ("GET", "/v1/jobs/7", "Method0", {"job_id": "7"}),
        ("GET", "/v1/jobs/me", "Method1", {}),
        ("POST", "/v1/jobs/7:cancel", "Method2", {"job_id": "7"}),
        ("POST", "/v1/jobs/me:cancel", "Method2", {"job_id": "me"}),
        ("POST", "/jobs", "Method3", {}),
        ("GET", "/v1/jobs/a:b", "Method0", {"job_id": "a:b"}),
        ("GET", "/v1/jobs/a%2Fb%3Acancel", "Method0", {"job_id": "a/b:cancel"}),
        ("GET", "/files/a/b/c", "Method4", {"path": "a/b/c"}),
    ],
)
def test_paths_lead_to_methods(verb: str, path: str, target: str, values: dict[str, str]) -> None:
    """Literals win over variables; encoded separators belong to values."""
    assert (target, values) == table(GET, ME, CANCEL, SUBMIT, FILES).find(verb, path)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/jobs/", "/v1/jobs/7/x", "/v1/jobs/%ff", ""])
def test_other_paths_lead_nowhere(path: str) -> None:
    """A missing or additional segment is another path."""
    with pytest.raises(NoRoute):
        table(GET, CANCEL).find("GET", path)


def test_a_known_path_says_which_verbs_it_has() -> None:
    """For the Allow header."""
    with pytest.raises(VerbNotAllowed) as raised:
        table(GET, http_pb2.HttpRule(delete="/v1/jobs/{id}")).find("PUT", "/v1/jobs/7")
    assert ("DELETE", "GET") == raised.value.allowed


def test_two_bindings_of_one_shape_are_a_conflict() -> None:
    """Both methods are named, whatever their variables are called."""
    with pytest.raises(RouteConflict, match=r"Method1.*Method0"):
        table(GET, http_pb2.HttpRule(get="/v1/jobs/{other}"))


def test_the_contracts_have_no_conflict_and_every_binding_is_found() -> None:
    """Every google.api.http binding of the contracts leads to its own method."""
    routes = list(routes_of(load_contracts().services))
    made: RouteTable[str] = RouteTable()
    for route in routes:
        made.add(route, route.method.full_name)

    for route in routes:
        path = "/" + "/".join("x" if s in ("*", "**") else s for s in route.template.segments)
        if route.template.verb:
            path += f":{route.template.verb}"
        assert route.method.full_name == made.find(route.verb, path)[0]
    assert len(routes) > 50
