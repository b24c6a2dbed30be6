"""What was asked for.

Messages are written in place: a part that is made on its own is copied into its whole.
"""

from collections.abc import Mapping, MutableMapping

from gpuaas.job.v1 import job_pb2, run_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.domain.spec import (
    JobSpec,
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from servicekit.wellknown import write_span, write_time

_RESOURCE_TYPES = {
    kind: resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{kind}") for kind in ResourceType
}
_PRIORITY_CLASSES = {
    rank: resource_pb2.PriorityClass.Value(f"PRIORITY_CLASS_{rank}") for rank in PriorityClass
}
_STRATEGIES: dict[Strategy | None, resource_pb2.Strategy.ValueType] = {
    None: resource_pb2.STRATEGY_UNSPECIFIED,
    **{it: resource_pb2.Strategy.Value(f"STRATEGY_{it}") for it in Strategy},
}


def write_spec(message: job_pb2.JobSpec, spec: JobSpec) -> None:
    """What was asked for."""
    message.name = spec.name
    message.command = spec.command
    message.args.extend(spec.args)
    message.image = spec.image
    _write_map(message.environment, spec.environment)
    write_resources(message.resources, spec.resources)
    message.pool = spec.pool
    message.provider = spec.provider
    message.strategy = _STRATEGIES[spec.strategy]
    message.priority_class = _PRIORITY_CLASSES[spec.priority_class]
    message.priority = spec.priority
    message.preemptible = spec.preemptible
    write_span(message.estimated_duration, spec.estimated_duration)
    write_span(message.max_runtime, spec.max_runtime)
    _write_map(message.labels, spec.labels)
    if spec.simulation:
        _write_simulation(message.simulation, spec.simulation)
    if spec.dependencies or spec.array_size or spec.retry or spec.not_before:
        _write_course(message, spec)


def write_resources(message: resource_pb2.ResourceSpec, resources: ResourceSpec) -> None:
    """Devices, cores and memory."""
    message.resource_type = _RESOURCE_TYPES[resources.resource_type]
    message.gpu_type = resources.gpu_type
    message.count = resources.count
    message.milli_gpu_per_device = resources.milli_gpu_per_device
    message.memory_gb = resources.memory_gb
    message.vcpus = resources.vcpus
    message.nodes = resources.nodes
    message.alternative_gpu_types.extend(resources.alternative_gpu_types)
    message.device_memory_gb = resources.device_memory_gb
    _write_map(message.node_labels, resources.node_labels)


def _write_map(message: MutableMapping[str, str], pairs: Mapping[str, str]) -> None:
    """Pairs, in place; a map field's own ``update`` takes three times as long."""
    for key, value in pairs.items():
        message[key] = value


def _write_course(message: job_pb2.JobSpec, spec: JobSpec) -> None:
    """What the job waits for, and how often it is tried."""
    for dependency in spec.dependencies:
        condition = job_pb2.Dependency.Condition.Value(f"CONDITION_{dependency.condition}")
        message.dependencies.add(job_id=dependency.job_id, condition=condition)
    message.array_size = spec.array_size
    if spec.retry:
        message.retry.max_retries = spec.retry.max_retries
        faults = [run_pb2.FaultParty.Value(f"FAULT_PARTY_{it}") for it in spec.retry.on_fault]
        message.retry.on_fault.extend(faults)
        write_span(message.retry.backoff, spec.retry.backoff)
    if spec.not_before:
        write_time(message.not_before, spec.not_before)


def _write_simulation(message: workload_pb2.Simulation, simulation: Simulation) -> None:
    message.SetInParent()
    message.exit_code = simulation.exit_code
    if simulation.duration is not None:
        write_span(message.duration, simulation.duration)
