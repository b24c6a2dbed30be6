"""What was asked for."""

from gpuaas.job.v1 import job_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.domain.spec import (
    JobSpec,
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from servicekit.wellknown import duration

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


def spec_message(spec: JobSpec) -> job_pb2.JobSpec:
    """What was asked for."""
    message = job_pb2.JobSpec(
        name=spec.name,
        command=spec.command,
        image=spec.image,
        resources=resources_message(spec.resources),
        pool=spec.pool,
        provider=spec.provider,
        strategy=_STRATEGIES[spec.strategy],
        priority_class=_PRIORITY_CLASSES[spec.priority_class],
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=duration(spec.estimated_duration),
        max_runtime=duration(spec.max_runtime),
    )
    message.args.extend(spec.args)
    if spec.environment:
        message.environment.update(spec.environment)
    if spec.labels:
        message.labels.update(spec.labels)
    if spec.simulation:
        message.simulation.CopyFrom(_simulation(spec.simulation))
    return message


def resources_message(resources: ResourceSpec) -> resource_pb2.ResourceSpec:
    """Devices, cores and memory."""
    message = resource_pb2.ResourceSpec(
        resource_type=_RESOURCE_TYPES[resources.resource_type],
        gpu_type=resources.gpu_type,
        count=resources.count,
        milli_gpu_per_device=resources.milli_gpu_per_device,
        memory_gb=resources.memory_gb,
        vcpus=resources.vcpus,
        nodes=resources.nodes,
        device_memory_gb=resources.device_memory_gb,
    )
    message.alternative_gpu_types.extend(resources.alternative_gpu_types)
    if resources.node_labels:
        message.node_labels.update(resources.node_labels)
    return message


def _simulation(simulation: Simulation) -> workload_pb2.Simulation:
    length = duration(simulation.duration) if simulation.duration is not None else None
    return workload_pb2.Simulation(duration=length, exit_code=simulation.exit_code)
