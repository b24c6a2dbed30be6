"""Job specs, with their defaults filled in."""

from collections.abc import Mapping
from datetime import timedelta

from gpuaas.job.v1 import job_pb2
from gpuaas.scheduler.v1 import resource_pb2
from job_service.domain.offers import ANYWHERE, Places
from job_service.domain.spec import (
    JobSpec,
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from job_service.entrypoints.decoding import courses, fields
from servicekit.errors import InvalidArgument, Violation, invalid

DEFAULT_DURATION = timedelta(hours=1)
LEAST_HOURS = timedelta(seconds=1) / timedelta(hours=1)
MOST_HOURS = fields.LONGEST / timedelta(hours=1)
# The scheduler refuses a workload of more than 64 KiB. The rest is for what a run adds to its spec,
# and for field numbers that take a byte more there.
LARGEST_SPEC = 48 * 1024
MOST_DEVICES = 1000
MOST_NODES = 1024
MOST_ALTERNATIVES = 16
LONGEST_COMMAND = 8192
LARGEST_ENVIRONMENT = 16_384
LARGEST_MEMORY_GB = 65_536

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


def job_spec(
    message: job_pb2.JobSpec,
    path: str,
    known_types: frozenset[str],
    batch: int = 0,
    longest_overrun: timedelta | None = None,
    places: Places = ANYWHERE,
) -> JobSpec:
    """A spec with its defaults filled in.

    Only ``known_types`` of devices, and ``places``, are accepted, if any are known. ``batch`` says
    of how many specs it is one, ``longest_overrun`` how long a run without a maximum runtime may go
    on; None: no longer than its estimate.

    Raises:
        InvalidArgument: a field makes no sense; it is named by its path.
    """
    if message.ByteSize() > LARGEST_SPEC:
        raise invalid(path.rstrip("."), f"at most {LARGEST_SPEC} bytes, as protobuf in UTF-8")
    command = _command(message, path)
    estimate, max_runtime = _durations(message, path)
    overruns = longest_overrun is not None and not message.HasField("max_runtime")
    if longest_overrun is not None and overruns:
        max_runtime = max(estimate, longest_overrun)
    rank = fields.known(PRIORITY_CLASSES, message.priority_class, f"{path}priority_class")
    return JobSpec(
        command=command,
        resources=_resources(message.resources, f"{path}resources.", known_types),
        estimated_duration=estimate,
        max_runtime=max_runtime,
        name=fields.text(message.name or _first_word(message), f"{path}name", 128),
        args=tuple(message.args),
        image=fields.text(message.image, f"{path}image", 512),
        environment=_environment(message.environment, path),
        pool=_place(message.pool, f"{path}pool", places.pools),
        provider=_place(message.provider, f"{path}provider", places.providers),
        strategy=fields.known(STRATEGIES, message.strategy, f"{path}strategy"),
        priority_class=rank,
        priority=fields.between(message.priority, 1, 10, 5, f"{path}priority"),
        preemptible=message.preemptible,
        labels=fields.labels(message.labels, f"{path}labels"),
        simulation=_simulation(message, path),
        dependencies=courses.dependencies(message.dependencies, path, batch),
        array_size=courses.array_size(message, path),
        overruns=overruns,
        retry=courses.retry_rule(message, path),
        not_before=fields.moment(message, "not_before", path),
    )


def _command(message: job_pb2.JobSpec, path: str) -> str:
    if bool(message.command) == bool(message.args):
        raise invalid(f"{path}command", "a shell line, or args in its place; exactly one of them")
    # Joined by a character that counts, so that a million empty arguments are too many as well.
    fields.text(" ".join(message.args), f"{path}args", LONGEST_COMMAND)
    return fields.text(message.command, f"{path}command", LONGEST_COMMAND)


def _first_word(message: job_pb2.JobSpec) -> str:
    words = message.args or message.command.split(maxsplit=1)
    return words[0][:128] if words else ""


def _durations(message: job_pb2.JobSpec, path: str) -> tuple[timedelta, timedelta]:
    """Estimate and maximum runtime; without a maximum a run is stopped at its estimate."""
    estimate = DEFAULT_DURATION
    if message.estimated_hours:
        if message.HasField("estimated_duration"):
            raise invalid(f"{path}estimated_hours", "this or estimated_duration, not both")
        if not LEAST_HOURS <= message.estimated_hours <= MOST_HOURS:
            raise invalid(f"{path}estimated_hours", f"1 second to {MOST_HOURS:.0f} hours")
        estimate = timedelta(hours=message.estimated_hours)
    elif message.HasField("estimated_duration"):
        estimate = fields.duration(message.estimated_duration, f"{path}estimated_duration")
    if not message.HasField("max_runtime"):
        return estimate, estimate
    return estimate, fields.duration(message.max_runtime, f"{path}max_runtime")


def _resources(
    message: resource_pb2.ResourceSpec, path: str, known_types: frozenset[str]
) -> ResourceSpec:
    _check_types(message, path, known_types)
    most_gb = LARGEST_MEMORY_GB
    share = fields.between(
        message.milli_gpu_per_device, 1, 1000, 1000, f"{path}milli_gpu_per_device"
    )
    count = fields.between(message.count, 1, MOST_DEVICES, 1, f"{path}count")
    kind = fields.known(RESOURCE_TYPES, message.resource_type, f"{path}resource_type")
    if share < 1000 and (count > 1 or kind is ResourceType.CPU):
        raise invalid(f"{path}milli_gpu_per_device", "1000 unless it is one device, not a core")
    return ResourceSpec(
        resource_type=kind,
        gpu_type=message.gpu_type,
        count=count,
        milli_gpu_per_device=share,
        memory_gb=fields.between(message.memory_gb, 0, most_gb, 0, f"{path}memory_gb"),
        vcpus=fields.between(message.vcpus, 0, 4096, 0, f"{path}vcpus"),
        nodes=fields.between(message.nodes, 1, MOST_NODES, 1, f"{path}nodes"),
        alternative_gpu_types=tuple(message.alternative_gpu_types),
        device_memory_gb=fields.between(
            message.device_memory_gb, 0, most_gb, 0, f"{path}device_memory_gb"
        ),
        node_labels=fields.labels(message.node_labels, f"{path}node_labels"),
    )


def _check_types(
    message: resource_pb2.ResourceSpec, path: str, known_types: frozenset[str]
) -> None:
    if len(message.alternative_gpu_types) > MOST_ALTERNATIVES:
        raise invalid(f"{path}alternative_gpu_types", f"at most {MOST_ALTERNATIVES} types")
    _check_type(message.gpu_type, f"{path}gpu_type", known_types)
    for place, gpu_type in enumerate(message.alternative_gpu_types):
        _check_type(gpu_type, f"{path}alternative_gpu_types[{place}]", known_types)


def _place(name: str, field: str, known: frozenset[str]) -> str:
    """A pool or a provider, whose kind is the last word of the field."""
    if name and known and name not in known:
        kind = field.rpartition(".")[2]
        raise _unknown(field, f"{kind} {name[:64]!r}", f"{kind.upper()}_UNKNOWN", known)
    return fields.printable(name, field, 128)


def _check_type(gpu_type: str, field: str, known_types: frozenset[str]) -> None:
    if gpu_type and known_types and gpu_type not in known_types:
        raise _unknown(field, f"device type {gpu_type[:64]!r}", "GPU_TYPE_UNKNOWN", known_types)
    fields.text(gpu_type, field, 64)


def _unknown(field: str, what: str, reason: str, known: frozenset[str]) -> InvalidArgument:
    expected = f"one of {', '.join(sorted(known))}"
    return InvalidArgument(
        f"{field}: there is no {what}; expected {expected}",
        reason=reason,
        metadata={"field": field, "known": ",".join(sorted(known))},
        violations=[Violation(field, f"expected {expected}")],
    )


def _environment(variables: Mapping[str, str], path: str) -> dict[str, str]:
    if not variables:
        return {}
    found = fields.plain(variables)
    written = " ".join([f"{name}={value}" for name, value in found.items()])
    fields.text(written, f"{path}environment", LARGEST_ENVIRONMENT)
    return found


def _simulation(message: job_pb2.JobSpec, path: str) -> Simulation | None:
    if not message.HasField("simulation"):
        return None
    asked, length = message.simulation, None
    if asked.HasField("duration"):
        length = fields.duration(asked.duration, f"{path}simulation.duration", timedelta())
    exit_code = fields.between(asked.exit_code, 0, 255, 0, f"{path}simulation.exit_code")
    return Simulation(length, exit_code)
