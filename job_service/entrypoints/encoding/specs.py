"""What was asked for."""

from gpuaas.job.v1 import job_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.domain.spec import JobSpec, PriorityClass, ResourceSpec, ResourceType, Simulation
from servicekit.wellknown import duration

_RESOURCE_TYPES = {
    kind: resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{kind}") for kind in ResourceType
}
_PRIORITY_CLASSES = {
    rank: resource_pb2.PriorityClass.Value(f"PRIORITY_CLASS_{rank}") for rank in PriorityClass
}


def spec_message(spec: JobSpec) -> job_pb2.JobSpec:
    """What was asked for."""
    return job_pb2.JobSpec(
        name=spec.name,
        command=spec.command,
        args=spec.args,
        image=spec.image,
        environment=spec.environment,
        resources=resources_message(spec.resources),
        pool=spec.pool,
        provider=spec.provider,
        strategy=_strategy(spec),
        priority_class=_PRIORITY_CLASSES[spec.priority_class],
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=duration(spec.estimated_duration),
        max_runtime=duration(spec.max_runtime),
        labels=spec.labels,
        simulation=_simulation(spec.simulation) if spec.simulation else None,
    )


def resources_message(resources: ResourceSpec) -> resource_pb2.ResourceSpec:
    """Devices, cores and memory."""
    return resource_pb2.ResourceSpec(
        resource_type=_RESOURCE_TYPES[resources.resource_type],
        gpu_type=resources.gpu_type,
        count=resources.count,
        milli_gpu_per_device=resources.milli_gpu_per_device,
        memory_gb=resources.memory_gb,
        vcpus=resources.vcpus,
        nodes=resources.nodes,
        alternative_gpu_types=resources.alternative_gpu_types,
        device_memory_gb=resources.device_memory_gb,
        node_labels=resources.node_labels,
    )


def _simulation(simulation: Simulation) -> workload_pb2.Simulation:
    length = duration(simulation.duration) if simulation.duration is not None else None
    return workload_pb2.Simulation(duration=length, exit_code=simulation.exit_code)


def _strategy(spec: JobSpec) -> resource_pb2.Strategy.ValueType:
    return resource_pb2.Strategy.Value(f"STRATEGY_{spec.strategy or 'UNSPECIFIED'}")
