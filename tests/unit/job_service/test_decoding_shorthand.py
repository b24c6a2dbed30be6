"""The shorthand fields of a submit and of a quote: where they go, and when they contradict."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import NULL_VALUE, Value

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import resource_pb2
from job_service.entrypoints.decoding.shorthand import merged
from servicekit.errors import InvalidArgument

Spec = job_pb2.JobSpec
Resources = resource_pb2.ResourceSpec


def request(**fields: Any) -> pb.SubmitJobRequest:
    """A submit with these fields."""
    return pb.SubmitJobRequest(**fields)


@pytest.mark.parametrize(
    ("fields", "spec"),
    [
        ({"gpu_type": "A100"}, Spec(resources=Resources(gpu_type="A100"))),
        ({"gpu_count": 4}, Spec(resources=Resources(count=4))),
        ({"memory_gb": 64}, Spec(resources=Resources(memory_gb=64))),
        ({"vcpus": 8}, Spec(resources=Resources(vcpus=8))),
        ({"command": "ls"}, Spec(command="ls")),
        ({"estimated_hours": 2.5}, Spec(estimated_hours=2.5)),
        ({"estimated_hours": -1.0}, Spec(estimated_hours=-1)),
        ({"name": "bert"}, Spec(name="bert")),
        ({"preemptible": True}, Spec(preemptible=True)),
        ({"pool": "training"}, Spec(pool="training")),
        ({"provider": "runpod"}, Spec(provider="runpod")),
        ({"strategy": "cost"}, Spec(strategy=resource_pb2.STRATEGY_COST)),
        ({"strategy": "Balanced"}, Spec(strategy=resource_pb2.STRATEGY_BALANCED)),
        ({"priority": Value(number_value=10)}, Spec(priority=10)),
        (
            {"priority": Value(string_value="high")},
            Spec(priority_class=resource_pb2.PRIORITY_CLASS_HIGH),
        ),
        (
            {"resource_spec": Resources(count=2, nodes=3)},
            Spec(resources=Resources(count=2, nodes=3)),
        ),
        (
            {"gpu_spec": pb.GpuSpec(gpu_type="T4", gpu_count=2, memory_gb=16, vcpus=4, priority=7)},
            Spec(
                resources=Resources(gpu_type="T4", count=2, memory_gb=16, vcpus=4),
                priority=7,
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_shorthand_has_its_place(fields: dict[str, Any], spec: Spec) -> None:
    """What it stands for is filled in, and nothing else."""
    assert spec == merged(request(**fields))


def test_a_job_is_quoted_by_the_very_fields_that_submit_it() -> None:
    """All that a submit takes in shorthand; the rest is about the submit alone."""
    submit, quote = (
        {field.name: field.type for field in message.DESCRIPTOR.fields}
        for message in (pb.SubmitJobRequest, pb.QuoteJobRequest)
    )
    assert {"request_id", "validate_only", "quote_token"} == submit.keys() - quote.keys()
    assert {"job_id"} == quote.keys() - submit.keys()
    assert all(submit[name] == quote[name] for name in submit.keys() & quote.keys())
    fields: dict[str, Any] = {"gpu_type": "A100", "priority": Value(string_value="high")}
    assert merged(request(**fields)) == merged(pb.QuoteJobRequest(**fields))


def test_a_shorthand_fills_what_the_spec_leaves_open() -> None:
    """The rest of the spec stays; the request itself is not written to."""
    asked = request(
        spec=Spec(command="ls", resources=Resources(count=2)), gpu_type="A100", name="x"
    )
    before = asked.SerializeToString(deterministic=True)
    expected = Spec(command="ls", name="x", resources=Resources(count=2, gpu_type="A100"))
    assert expected == merged(asked)
    assert before == asked.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (Spec(command="ls"), {"command": "ls"}),
        (Spec(resources=Resources(count=2)), {"resource_spec": Resources(count=2)}),
        (Spec(resources=Resources(count=2)), {"gpu_count": 2, "gpu_spec": pb.GpuSpec(gpu_count=2)}),
    ],
)
def test_saying_the_same_twice_is_no_contradiction(spec: Spec, fields: dict[str, Any]) -> None:
    """However it is said."""
    assert spec == merged(request(spec=spec, **fields))


@pytest.mark.parametrize(
    ("fields", "field", "place"),
    [
        ({"spec": Spec(command="ls"), "command": "cat"}, "command", "spec.command"),
        (
            {"spec": Spec(resources=Resources(gpu_type="A100")), "gpu_type": "T4"},
            "gpu_type",
            "spec.resources.gpu_type",
        ),
        (
            {"gpu_count": 2, "gpu_spec": pb.GpuSpec(gpu_count=3)},
            "gpu_spec.gpu_count",
            "spec.resources.count",
        ),
        ({"gpu_count": 2, "resource_spec": Resources(count=3)}, "resource_spec", "spec.resources"),
        (
            {"spec": Spec(priority=3), "priority": Value(number_value=4)},
            "priority",
            "spec.priority",
        ),
        (
            {"spec": Spec(strategy=resource_pb2.STRATEGY_COST), "strategy": "balanced"},
            "strategy",
            "spec.strategy",
        ),
        ({"spec": Spec(estimated_hours=1), "estimated_hours": 2}, "estimated_hours", "spec.estim"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], field: str, place: str) -> None:
    """The refusal names both places."""
    with pytest.raises(InvalidArgument, match=place) as refused:
        merged(request(**fields))
    assert {"field": field} == refused.value.metadata


@pytest.mark.parametrize(
    "value",
    [
        Value(number_value=0),
        Value(number_value=11),
        Value(number_value=5.5),
        Value(number_value=float("nan")),
        Value(string_value="urgent"),
        Value(string_value=""),
        Value(bool_value=True),
        Value(null_value=NULL_VALUE),
        Value(),
    ],
    ids=str,
)
def test_a_priority_is_a_number_or_a_class(value: Value) -> None:
    """Nothing else, whatever JSON allows."""
    with pytest.raises(InvalidArgument) as refused:
        merged(request(priority=value))
    assert {"field": "priority"} == refused.value.metadata


@pytest.mark.parametrize("word", ["cheap", "unspecified", "0"])
def test_a_strategy_is_one_of_the_words(word: str) -> None:
    """And the refusal lists them."""
    with pytest.raises(InvalidArgument, match="COST, PERFORMANCE, AVAILABILITY, BALANCED"):
        merged(request(strategy=word))
