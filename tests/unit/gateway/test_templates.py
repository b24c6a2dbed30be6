"""Path templates of google.api.http: what they mean, and which are refused."""

import pytest

from gateway.templates import Variable, parse_template


def test_literals_variables_and_custom_verb() -> None:
    """The usual form of a route."""
    template = parse_template("/api/v1/jobs/{job_id}:approve")

    assert ("api", "v1", "jobs", "*") == template.segments
    assert (Variable("job_id", 3, 4),) == template.variables
    assert "approve" == template.verb


def test_a_variable_may_take_several_segments() -> None:
    """`{name=pools/*/nodes/*}` is one value made of four segments."""
    template = parse_template("/v1/{pool.name=pools/*/nodes/*}")

    assert ("v1", "pools", "*", "nodes", "*") == template.segments
    assert (Variable("pool.name", 1, 5),) == template.variables


def test_two_stars_take_the_rest() -> None:
    """The last variable may be as long as it likes."""
    template = parse_template("/files/{path=**}")

    assert ("files", "**") == template.segments
    assert (Variable("path", 1, None),) == template.variables


def test_names_of_variables_do_not_tell_shapes_apart() -> None:
    """`/jobs/{id}` and `/jobs/{job_id}` answer the same paths."""
    assert parse_template("/jobs/{id}").shape == parse_template("/jobs/{job_id}").shape


@pytest.mark.parametrize("text", ["jobs", "/jobs/{id", "/jobs/a{id}", "/{a=**}/b", "/x:y:z"])
def test_a_malformed_template_is_refused(text: str) -> None:
    """The message quotes the template, so that it is found in the contract."""
    with pytest.raises(ValueError, match=r"/|jobs"):
        parse_template(text)
