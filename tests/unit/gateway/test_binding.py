"""How body, path, query and Idempotency-Key come together in one message."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.binding import Binding, text_fields
from gateway.contracts import load_contracts
from gateway.routes import Route, routes_of
from gateway.transcoding import Decoders
from servicekit.errors import InvalidArgument


def binding(key: str) -> Binding:
    """Returns the binding of the contracts' route that people write like this."""
    return Binding(route(key), Decoders())


def route(key: str) -> Route:
    """Returns the contracts' route of this key."""
    return next(each for each in routes_of(load_contracts().services) if each.key == key)


def bind(key: str, **given: Any) -> Any:
    """Returns the message of a request with what is given."""
    arguments = {"path": {}, "query": b"", "headers": {}, "body": b"", **given}
    return binding(key).message(**arguments)


def test_query_reaches_nested_fields_by_dots() -> None:
    """A message in a message is written with a dot; lists repeat."""
    names = {text.name for text in text_fields(route("POST /api/v1/jobs").method.input_type)}
    assert {"spec.command", "spec.resources.gpu_type", "spec.args"} <= names
    assert not {name for name in names if name.startswith("spec.labels")}


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        (b"page_size=5", "page_size", 5),
        (b"gpu_type=A100%2080GB", "gpu_type", "A100 80GB"),
        (b"gpu_type=a+b", "gpu_type", "a b"),
        (b"labels=a&labels=b", "labels", ["a", "b"]),
        (b"gpu_type=", "gpu_type", ""),
    ],
)
def test_query_parameters(query: bytes, field: str, value: Any) -> None:
    """Each text becomes what its field holds."""
    assert value == getattr(bind("GET /api/v1/jobs", query=query), field)


def test_a_boolean_is_a_word_in_a_url() -> None:
    """`true` and `false`, nothing else."""
    key = "GET /api/v1/jobs:countByState"
    assert bind(key, query=b"everybody=true").everybody is True
    with pytest.raises(InvalidArgument, match="expected true or false"):
        bind(key, query=b"everybody=1")


def test_no_query_beside_a_whole_body() -> None:
    """With `body: "*"` every field that the path does not give is in the body."""
    with pytest.raises(InvalidArgument, match="unknown query parameter"):
        bind("POST /api/v1/jobs", query=b"gpu_type=T4", body=b"{}")


def test_no_body_without_a_place_for_it() -> None:
    """A GET with a body is a mistake that should not go unseen."""
    with pytest.raises(InvalidArgument, match="has no body"):
        bind("GET /api/v1/jobs", body=b"{}")


def test_too_many_parameters_are_refused() -> None:
    """Everything has a limit."""
    with pytest.raises(InvalidArgument, match="at most 100"):
        bind("GET /api/v1/jobs", query=b"&".join([b"labels=a"] * 101))


def test_idempotency_key_may_be_quoted() -> None:
    """The header's own standard writes it as a quoted string."""
    message = bind("POST /api/v1/jobs", headers={b"idempotency-key": b'"k1"'}, body=b"{}")
    assert "k1" == message.request_id


def test_idempotency_key_means_nothing_where_nothing_changes() -> None:
    """A request without request_id has nothing to fill."""
    key = "GET /api/v1/jobs/{job_id}"
    message = bind(key, path={"job_id": "1"}, headers={b"idempotency-key": b"k1"})
    assert "1" == message.job_id
