"""Failures as problem documents."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from gateway.problems import Problem
from servicekit.errors import FAILURES, HTTP_STATUS, Failure, Kind, Unavailable, invalid


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_status_and_keeps_its_reason(kind: Kind) -> None:
    """The table is total, and the reason is never lost."""
    problem = Problem.of(FAILURES[kind]("words", reason="SOME_REASON"))

    document = orjson.loads(problem.document("r1"))
    assert (HTTP_STATUS[kind], "SOME_REASON", "words") == (
        document["status"],
        document["reason"],
        document["detail"],
    )


def test_violations_are_errors() -> None:
    """Field by field, for forms to show them where they belong."""
    document = orjson.loads(Problem.of(invalid("a.b", "a number")).document("r1"))
    assert [{"field": "a.b", "description": "expected a number"}] == document["errors"]


def test_the_time_to_retry_is_rounded_up() -> None:
    """Coming back too early would be refused again."""
    failure: Failure = Unavailable("later", retry_after=timedelta(milliseconds=100))
    assert {"retry-after": "1"} == Problem.of(failure).headers
