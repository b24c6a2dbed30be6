"""The shorthand fields of a submit and of a quote, put where they belong in the spec."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gpuaas.job.v1 import job_pb2, job_service_pb2
from job_service.entrypoints.decoding.specs import PRIORITY_CLASSES, STRATEGIES
from servicekit.errors import invalid

Asked: TypeAlias = job_service_pb2.SubmitJobRequest | job_service_pb2.QuoteJobRequest

_PLAIN = frozenset({"spec", "request_id", "validate_only", "quote_token", "job_id"})
_PLACES = {
    "gpu_type": "resources.gpu_type",
    "gpu_count": "resources.count",
    "memory_gb": "resources.memory_gb",
    "vcpus": "resources.vcpus",
    "resource_spec": "resources",
    "command": "command",
    "estimated_hours": "estimated_hours",
    "name": "name",
    "priority": "priority",
    "preemptible": "preemptible",
    "pool": "pool",
    "provider": "provider",
}


def merged(request: Asked) -> job_pb2.JobSpec:
    """The spec with the request's shorthand fields in their places.

    Raises:
        InvalidArgument: two fields answer one question in different ways, or a word is none.
    """
    given = [field.name for field, _ in request.ListFields() if field.name not in _PLAIN]
    if not given:
        return request.spec
    spec = job_pb2.JobSpec()
    spec.CopyFrom(request.spec)
    for name in given:
        if name == "gpu_spec":
            for field, value in request.gpu_spec.ListFields():
                _place(spec, _PLACES[field.name], value, f"gpu_spec.{field.name}")
        elif name == "priority":
            _place_priority(spec, request)
        elif name == "strategy":
            _place(spec, "strategy", _number(STRATEGIES, request.strategy, "strategy"), name)
        else:
            _place(spec, _PLACES[name], getattr(request, name), name)
    return spec


def _place(spec: job_pb2.JobSpec, place: str, value: Any, field: str) -> None:
    """Puts a shorthand's value where it belongs, unless another stands there already."""
    *parents, name = place.split(".")
    target: Any = spec
    for parent in parents:
        target = getattr(target, parent)
    taken = any(present.name == name for present, _ in target.ListFields())
    if taken and getattr(target, name) != value:
        raise invalid(field, f"this or spec.{place}, not both")
    if hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def _place_priority(spec: job_pb2.JobSpec, request: Asked) -> None:
    value = request.priority
    if value.WhichOneof("kind") == "string_value":
        rank = _number(PRIORITY_CLASSES, value.string_value, "priority")
        _place(spec, "priority_class", rank, "priority")
    elif value.WhichOneof("kind") == "number_value" and value.number_value in range(1, 11):
        _place(spec, "priority", int(value.number_value), "priority")
    else:
        raise invalid("priority", "a whole number from 1 to 10, or HIGH, MEDIUM or LOW")


def _number(names: Mapping[int, Any], word: str, field: str) -> int:
    """The enum's number that a word stands for, in any case."""
    numbers = {value.value: number for number, value in names.items() if number and value}
    if word.upper() not in numbers:
        raise invalid(field, f"one of {', '.join(numbers)}")
    return numbers[word.upper()]
