"""Runs of jobs as the scheduler's workloads."""

from gpuaas.api.v1 import money_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.application.ports import QueuedRun
from job_service.domain.job import Job
from job_service.domain.prices import Money
from job_service.domain.spec import JobSpec
from servicekit.wellknown import duration

ARRAY_INDEX = "GPUAAS_ARRAY_INDEX"


def queued_workload(queued: QueuedRun) -> workload_pb2.Workload:
    """The workload of a run that is to be executed."""
    workload = workload_of(queued.job)
    workload.id = queued.run.id
    workload.attempt = queued.run.attempt
    workload.traceparent = queued.traceparent
    return workload


def workload_of(job: Job) -> workload_pb2.Workload:
    """The workload of a run of a job, without what tells it from the job's other runs."""
    spec, limit = job.spec, job.price_limit
    return workload_pb2.Workload(
        job_id=job.id,
        owner_id=job.owner.id,
        team=job.owner.team,
        resources=_resources(spec),
        pool=spec.pool,
        provider=spec.provider,
        strategy=resource_pb2.Strategy.Value(f"STRATEGY_{spec.strategy or 'UNSPECIFIED'}"),
        priority_class=resource_pb2.PriorityClass.Value(f"PRIORITY_CLASS_{spec.priority_class}"),
        priority=spec.priority,
        preemptible=spec.preemptible,
        estimated_duration=duration(spec.estimated_duration),
        max_runtime=duration(spec.max_runtime),
        simulation=_simulation(spec),
        name=spec.name,
        command=spec.command,
        args=spec.args,
        image=spec.image,
        environment=_environment(job),
        hourly_price_limit=_money(limit) if limit else None,
    )


def _resources(spec: JobSpec) -> resource_pb2.ResourceSpec:
    wanted = spec.resources
    return resource_pb2.ResourceSpec(
        resource_type=resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{wanted.resource_type}"),
        gpu_type=wanted.gpu_type,
        count=wanted.count,
        milli_gpu_per_device=wanted.milli_gpu_per_device,
        memory_gb=wanted.memory_gb,
        vcpus=wanted.vcpus,
        nodes=wanted.nodes,
        alternative_gpu_types=wanted.alternative_gpu_types,
        device_memory_gb=wanted.device_memory_gb,
        node_labels=wanted.node_labels,
    )


def _environment(job: Job) -> dict[str, str]:
    """The run's variables; in an array, which of its jobs it belongs to."""
    if not job.array_id:
        return job.spec.environment
    return {**job.spec.environment, ARRAY_INDEX: str(job.array_index)}


def _simulation(spec: JobSpec) -> workload_pb2.Simulation | None:
    if spec.simulation is None:
        return None
    length = spec.simulation.duration
    return workload_pb2.Simulation(
        duration=None if length is None else duration(length), exit_code=spec.simulation.exit_code
    )


def _money(amount: Money) -> money_pb2.Money:
    return money_pb2.Money(micros=amount.micros, currency_code=amount.currency)
