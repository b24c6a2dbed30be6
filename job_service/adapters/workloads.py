"""Runs of jobs as the scheduler's workloads."""

from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.application.ports import QueuedRun
from job_service.domain.job import Job
from job_service.domain.spec import (
    PriorityClass,
    ResourceSpec,
    ResourceType,
    Simulation,
    Strategy,
)
from servicekit.wellknown import write_span

ARRAY_INDEX = "GPUAAS_ARRAY_INDEX"

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


def write_queued(message: workload_pb2.Workload, queued: QueuedRun) -> None:
    """The workload of a run that is to be executed, in place."""
    write_workload(message, queued.job)
    message.id = queued.run.id
    message.attempt = queued.run.attempt
    message.traceparent = queued.traceparent


def write_workload(message: workload_pb2.Workload, job: Job) -> None:
    """The workload of a job's run, in place, without what tells it from the job's other runs."""
    spec = job.spec
    message.job_id = job.id
    message.owner_id = job.owner.id
    message.team = job.owner.team
    _write_resources(message.resources, spec.resources)
    message.pool = spec.pool
    message.provider = spec.provider
    message.strategy = _STRATEGIES[spec.strategy]
    message.priority_class = _PRIORITY_CLASSES[spec.priority_class]
    message.priority = spec.priority
    message.preemptible = spec.preemptible
    write_span(message.estimated_duration, spec.estimated_duration)
    write_span(message.max_runtime, spec.max_runtime)
    if spec.simulation is not None:
        _write_simulation(message.simulation, spec.simulation)
    message.name = spec.name
    message.command = spec.command
    message.args.extend(spec.args)
    message.image = spec.image
    message.environment.update(_environment(job))
    if job.price_limit is not None:
        limit = message.hourly_price_limit
        limit.micros, limit.currency_code = job.price_limit.micros, job.price_limit.currency


def _write_resources(message: resource_pb2.ResourceSpec, wanted: ResourceSpec) -> None:
    message.resource_type = _RESOURCE_TYPES[wanted.resource_type]
    message.gpu_type = wanted.gpu_type
    message.count = wanted.count
    message.milli_gpu_per_device = wanted.milli_gpu_per_device
    message.memory_gb = wanted.memory_gb
    message.vcpus = wanted.vcpus
    message.nodes = wanted.nodes
    message.alternative_gpu_types.extend(wanted.alternative_gpu_types)
    message.device_memory_gb = wanted.device_memory_gb
    message.node_labels.update(wanted.node_labels)


def _environment(job: Job) -> dict[str, str]:
    """The run's variables; in an array, which of its jobs it belongs to."""
    if not job.array_id:
        return job.spec.environment
    return {**job.spec.environment, ARRAY_INDEX: str(job.array_index)}


def _write_simulation(message: workload_pb2.Simulation, simulation: Simulation) -> None:
    message.SetInParent()
    message.exit_code = simulation.exit_code
    if simulation.duration is not None:
        write_span(message.duration, simulation.duration)
