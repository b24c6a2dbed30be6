"""From the contract's messages to what the application takes.

Refuses what makes no sense, by field.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from gpuaas.job.v1 import job_pb2, job_service_pb2, quota_pb2, quota_service_pb2
from gpuaas.scheduler.v1 import resource_pb2
from job_service.application.ports import EntryQuery, JobQuery
from job_service.domain.job import JobState
from job_service.domain.ledger import EntryKind
from job_service.domain.quantity import from_gpu_hours
from job_service.domain.spec import (
    JobSpec,
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from servicekit import wellknown
from servicekit.errors import InvalidArgument, Unimplemented, Violation, invalid

DEFAULT_DURATION = timedelta(hours=1)
LONGEST = timedelta(days=366)
MOST_DEVICES = 1024
MOST_LABELS = 32
MOST_IN_BATCH = 1000
LONGEST_COMMAND = 8192
LARGEST_ENVIRONMENT = 16_384
LARGEST_MEMORY_GB = 65_536
PAGE_DEFAULT = 50
PAGE_MOST = 500

E = TypeVar("E")

RESOURCE_TYPES: Mapping[int, ResourceType] = {
    0: ResourceType.GPU,
    resource_pb2.RESOURCE_TYPE_GPU: ResourceType.GPU,
    resource_pb2.RESOURCE_TYPE_CPU: ResourceType.CPU,
    resource_pb2.RESOURCE_TYPE_NPU: ResourceType.NPU,
    resource_pb2.RESOURCE_TYPE_TPU: ResourceType.TPU,
}
PRIORITY_CLASSES: Mapping[int, PriorityClass] = {
    0: PriorityClass.MEDIUM,
    resource_pb2.PRIORITY_CLASS_HIGH: PriorityClass.HIGH,
    resource_pb2.PRIORITY_CLASS_MEDIUM: PriorityClass.MEDIUM,
    resource_pb2.PRIORITY_CLASS_LOW: PriorityClass.LOW,
}
STRATEGIES: Mapping[int, Strategy | None] = {
    0: None,
    resource_pb2.STRATEGY_COST: Strategy.COST,
    resource_pb2.STRATEGY_PERFORMANCE: Strategy.PERFORMANCE,
    resource_pb2.STRATEGY_AVAILABILITY: Strategy.AVAILABILITY,
    resource_pb2.STRATEGY_BALANCED: Strategy.BALANCED,
}
STATES: Mapping[int, JobState] = {
    job_pb2.JobState.Value(f"JOB_STATE_{state.value}"): state for state in JobState
}
ENTRY_KINDS: Mapping[int, EntryKind] = {
    quota_pb2.LedgerEntry.Kind.Value(f"KIND_{kind.value}"): kind for kind in EntryKind
}


def submitted_spec(request: job_service_pb2.SubmitJobRequest, known: frozenset[str]) -> JobSpec:
    """The spec of a submit, its shorthand fields merged in."""
    if request.quote_token:
        raise Unimplemented("quote_token: quotes cannot be redeemed yet")
    return job_spec(_merged(request), "spec.", known)


def job_spec(message: job_pb2.JobSpec, path: str, known: frozenset[str]) -> JobSpec:
    """A spec with its defaults filled in. Only ``known`` device types are accepted, if any are.

    Raises:
        InvalidArgument: a field makes no sense; it is named by its path.
        Unimplemented: a field asks for what is not built yet.
    """
    _refuse_unbuilt(message, path)
    command = _command(message, path)
    estimate, max_runtime = _durations(message, path)
    return JobSpec(
        command=command,
        resources=_resources(message.resources, f"{path}resources.", known),
        estimated_duration=estimate,
        max_runtime=max_runtime,
        name=_text(message.name or _first_word(message), f"{path}name", 128),
        args=tuple(message.args),
        image=_text(message.image, f"{path}image", 512),
        environment=_environment(message.environment, path),
        pool=_text(message.pool, f"{path}pool", 128),
        provider=_text(message.provider, f"{path}provider", 128),
        strategy=_known(STRATEGIES, message.strategy, f"{path}strategy"),
        priority_class=_known(PRIORITY_CLASSES, message.priority_class, f"{path}priority_class"),
        priority=_between(message.priority, 1, 10, 5, f"{path}priority"),
        preemptible=message.preemptible,
        labels=_labels(message.labels, path),
        simulation=_simulation(message, path),
    )


def _refuse_unbuilt(message: job_pb2.JobSpec, path: str) -> None:
    unbuilt = {
        "dependencies": bool(message.dependencies),
        "array_size": message.array_size > 1,
        "retry": message.HasField("retry"),
        "not_before": message.HasField("not_before"),
    }
    for name, asked in unbuilt.items():
        if asked:
            raise Unimplemented(f"{path}{name}: not available yet", metadata={"field": path + name})


def batch_specs(
    request: job_service_pb2.BatchSubmitJobsRequest, known: frozenset[str]
) -> list[JobSpec]:
    """The specs of a batch, of which none makes no sense."""
    if not 0 < len(request.specs) <= MOST_IN_BATCH:
        raise invalid("specs", f"1 to {MOST_IN_BATCH} specs")
    return [job_spec(spec, f"specs[{place}].", known) for place, spec in enumerate(request.specs)]


def job_query(
    request: job_service_pb2.ListJobsRequest | job_service_pb2.ListAllJobsRequest,
    owner_id: str,
    team: str,
) -> JobQuery:
    """The conditions and the order of a list."""
    if request.array_id:
        raise Unimplemented("array_id: not available yet")
    order = request.order_by
    return JobQuery(
        owner_id=owner_id,
        team=team,
        states=states(request.states),
        gpu_type=request.gpu_type,
        pool=request.pool,
        provider=request.provider,
        name_prefix=request.name_prefix,
        labels=label_conditions(request.labels),
        created_from=moment(request, "created_from"),
        created_to=moment(request, "created_to"),
        by_update=order
        in (
            job_service_pb2.JOB_ORDER_UPDATED_ASCENDING,
            job_service_pb2.JOB_ORDER_UPDATED_DESCENDING,
        ),
        ascending=order
        in (
            job_service_pb2.JOB_ORDER_CREATED_ASCENDING,
            job_service_pb2.JOB_ORDER_UPDATED_ASCENDING,
        ),
    )


def entry_query(request: quota_service_pb2.ListLedgerEntriesRequest, owner_id: str) -> EntryQuery:
    """The conditions of a statement."""
    return EntryQuery(
        owner_id=owner_id,
        job_id=request.job_id,
        kinds=tuple(_known(ENTRY_KINDS, kind, "kinds") for kind in request.kinds),
        from_time=moment(request, "from_time"),
        to_time=moment(request, "to_time"),
    )


def granted_amount(request: quota_service_pb2.GrantHoursRequest) -> int:
    """The milli-GPU-seconds of a grant, given in them or in GPU-hours."""
    if request.HasField("amount_gpu_hours") == request.HasField("amount_milli_gpu_seconds"):
        raise invalid("amount_gpu_hours", "this or amount_milli_gpu_seconds, exactly one")
    amount = request.amount_milli_gpu_seconds
    if request.HasField("amount_gpu_hours"):
        hours = request.amount_gpu_hours
        amount = from_gpu_hours(hours) if 0 < hours <= 1e9 else 0
    if not 0 < amount < 2**60:
        raise invalid("amount_gpu_hours", "more than 0 and at most 1,000,000,000")
    return amount


def states(numbers: Sequence[int]) -> tuple[JobState, ...]:
    """The states of a filter."""
    return tuple(_known(STATES, number, "states") for number in numbers)


def watched_ids(job_ids: Sequence[str]) -> frozenset[str]:
    """The jobs that a watch names."""
    if len(job_ids) > MOST_IN_BATCH:
        raise invalid("job_ids", f"at most {MOST_IN_BATCH} ids")
    return frozenset(job_ids)


def label_conditions(texts: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Label conditions, each written "key=value", or "key" for any value."""
    if len(texts) > MOST_LABELS:
        raise invalid("labels", f"at most {MOST_LABELS} conditions")
    split = (text.partition("=") for text in texts)
    return tuple((key, value if equals else None) for key, equals, value in split)


def page_size(asked: int) -> int:
    """The size of a page: the default for 0, the most for more than that."""
    if asked < 0:
        raise invalid("page_size", "0 or more")
    return min(asked or PAGE_DEFAULT, PAGE_MOST)


def required(text: str, field: str, longest: int = 1024) -> str:
    """A text that must be there."""
    if not text.strip():
        raise invalid(field, "a text that is not empty")
    return _text(text, field, longest)


def moment(request: Any, field: str) -> datetime | None:
    """An optional time of a request."""
    if not request.HasField(field):
        return None
    try:
        return wellknown.moment(getattr(request, field))
    except OverflowError:
        raise invalid(field, "a time between the years 1 and 9999") from None


def _merged(request: job_service_pb2.SubmitJobRequest) -> job_pb2.JobSpec:
    """The spec with the request's shorthand fields in their places.

    Two answers to one question are refused.
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
            _place(spec, "strategy", _word(STRATEGIES, request.strategy, "strategy"), name)
        else:
            _place(spec, _PLACES[name], getattr(request, name), name)
    return spec


_PLAIN = frozenset({"spec", "request_id", "validate_only", "quote_token"})
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


def _place(spec: job_pb2.JobSpec, place: str, value: Any, field: str) -> None:
    """Puts a shorthand's value where it belongs, unless something stands there already."""
    *parents, name = place.split(".")
    target: Any = spec
    for parent in parents:
        target = getattr(target, parent)
    taken = any(known.name == name for known, _ in target.ListFields())
    if taken and getattr(target, name) != value:
        raise invalid(field, f"this or spec.{place}, not both")
    if hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def _place_priority(spec: job_pb2.JobSpec, request: job_service_pb2.SubmitJobRequest) -> None:
    value = request.priority
    if value.WhichOneof("kind") == "string_value":
        _place(
            spec,
            "priority_class",
            _word(PRIORITY_CLASSES, value.string_value, "priority"),
            "priority",
        )
    elif value.WhichOneof("kind") == "number_value" and value.number_value in range(1, 11):
        _place(spec, "priority", int(value.number_value), "priority")
    else:
        raise invalid("priority", "a whole number from 1 to 10, or HIGH, MEDIUM or LOW")


def _word(names: Mapping[int, Any], word: str, field: str) -> int:
    numbers = {value.value: number for number, value in names.items() if number and value}
    if word.upper() not in numbers:
        raise invalid(field, f"one of {', '.join(numbers)}")
    return numbers[word.upper()]


def _command(message: job_pb2.JobSpec, path: str) -> str:
    if bool(message.command) == bool(message.args):
        raise invalid(f"{path}command", "a shell line, or args in its place; exactly one of them")
    if sum(map(len, message.args)) > LONGEST_COMMAND:
        raise invalid(f"{path}args", f"at most {LONGEST_COMMAND} characters together")
    return _text(message.command, f"{path}command", LONGEST_COMMAND)


def _first_word(message: job_pb2.JobSpec) -> str:
    words = message.args or message.command.split(maxsplit=1)
    return words[0][:128] if words else ""


def _durations(message: job_pb2.JobSpec, path: str) -> tuple[timedelta, timedelta]:
    """Estimate and maximum runtime; without a maximum a run is stopped at its estimate."""
    estimate = DEFAULT_DURATION
    if message.estimated_hours:
        if message.HasField("estimated_duration"):
            raise invalid(f"{path}estimated_hours", "this or estimated_duration, not both")
        if not 0 < message.estimated_hours <= LONGEST / timedelta(hours=1):
            raise invalid(f"{path}estimated_hours", "more than 0 and at most 8784")
        estimate = timedelta(hours=message.estimated_hours)
    elif message.HasField("estimated_duration"):
        estimate = _duration(message.estimated_duration, f"{path}estimated_duration")
    if not message.HasField("max_runtime"):
        return estimate, estimate
    return estimate, _duration(message.max_runtime, f"{path}max_runtime")


def _duration(duration: Duration, field: str, least: timedelta = timedelta(seconds=1)) -> timedelta:
    if abs(duration.seconds) <= LONGEST.total_seconds():
        span = wellknown.span(duration)
        if least <= span <= LONGEST:
            return span
    raise invalid(field, f"a duration from {least.total_seconds():.0f} s to {LONGEST.days} days")


def _resources(
    message: resource_pb2.ResourceSpec, path: str, known: frozenset[str]
) -> ResourceSpec:
    milli = _between(message.milli_gpu_per_device, 1, 1000, 1000, f"{path}milli_gpu_per_device")
    count = _between(message.count, 1, MOST_DEVICES, 1, f"{path}count")
    if milli < 1000 and count > 1:
        raise invalid(f"{path}milli_gpu_per_device", "1000 where more than one device is asked for")
    for place, gpu_type in enumerate((message.gpu_type, *message.alternative_gpu_types)):
        if gpu_type and known and gpu_type not in known:
            name = f"alternative_gpu_types[{place - 1}]" if place else "gpu_type"
            raise _unknown_type(f"{path}{name}", gpu_type, known)
    return ResourceSpec(
        resource_type=_known(RESOURCE_TYPES, message.resource_type, f"{path}resource_type"),
        gpu_type=_text(message.gpu_type, f"{path}gpu_type", 64),
        count=count,
        milli_gpu_per_device=milli,
        memory_gb=_between(message.memory_gb, 0, LARGEST_MEMORY_GB, 0, f"{path}memory_gb"),
        vcpus=_between(message.vcpus, 0, 4096, 0, f"{path}vcpus"),
        nodes=_between(message.nodes, 1, MOST_DEVICES, 1, f"{path}nodes"),
        alternative_gpu_types=tuple(message.alternative_gpu_types),
        device_memory_gb=_between(
            message.device_memory_gb, 0, LARGEST_MEMORY_GB, 0, f"{path}device_memory_gb"
        ),
        node_labels=_labels(message.node_labels, path, "node_labels"),
    )


def _unknown_type(field: str, gpu_type: str, known: frozenset[str]) -> InvalidArgument:
    expected = f"one of {', '.join(sorted(known))}"
    return InvalidArgument(
        f"{field}: there is no device type {gpu_type[:64]!r}; expected {expected}",
        reason="GPU_TYPE_UNKNOWN",
        metadata={"field": field, "known": ",".join(sorted(known))},
        violations=[Violation(field, f"expected {expected}")],
    )


def _simulation(message: job_pb2.JobSpec, path: str) -> Simulation | None:
    if not message.HasField("simulation"):
        return None
    duration = None
    if message.simulation.HasField("duration"):
        duration = _duration(message.simulation.duration, f"{path}simulation.duration", timedelta())
    exit_code = _between(message.simulation.exit_code, 0, 255, 0, f"{path}simulation.exit_code")
    return Simulation(duration, exit_code)


def _environment(variables: Mapping[str, str], path: str) -> dict[str, str]:
    if sum(len(name) + len(value) for name, value in variables.items()) > LARGEST_ENVIRONMENT:
        raise invalid(f"{path}environment", f"at most {LARGEST_ENVIRONMENT} characters together")
    return dict(variables)


def _labels(labels: Mapping[str, str], path: str, name: str = "labels") -> dict[str, str]:
    if len(labels) > MOST_LABELS:
        raise invalid(f"{path}{name}", f"at most {MOST_LABELS} labels")
    for key, value in labels.items():
        if not 0 < len(key) <= 63 or "=" in key or len(value) > 255:
            raise invalid(
                f"{path}{name}", "keys of 1 to 63 characters without =, values of up to 255"
            )
    return dict(labels)


def _text(text: str, field: str, longest: int) -> str:
    if len(text) > longest or "\0" in text:
        raise invalid(field, f"at most {longest} characters, none of them NUL")
    return text


def _between(number: int, least: int, most: int, default: int, field: str) -> int:
    number = number or default
    if not least <= number <= most:
        raise invalid(field, f"a whole number from {least} to {most}")
    return number


def _known(values: Mapping[int, E], number: int, field: str) -> E:
    if number not in values:
        raise invalid(field, f"one of the contract's values, not {number}")
    return values[number]
