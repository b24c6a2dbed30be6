"""The scheduler takes every job that the job service accepts, also at the edge of each limit."""

import itertools
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from job_service.entrypoints.decoding.fields import LONGEST
from job_service.entrypoints.decoding.specs import LARGEST_SPEC
from scheduler_service.entrypoints import decoding
from tests.fakes.jobs import NOW
from tests.service.job_service.conftest import House, Open

RESOURCES = resource_pb2.ResourceSpec
LETTERS = [chr(number) for number in range(0x4E00, 0x4E00 + 64)]
YEAR = Duration(seconds=int(LONGEST.total_seconds()))


def short_variables(count: int) -> dict[str, str]:
    """So many variables with as little in each as possible."""
    return {
        "".join(pair): "" for pair in itertools.islice(itertools.product(LETTERS, repeat=2), count)
    }


EDGES: dict[str, dict[str, Any]] = {
    "devices": {"resources": RESOURCES(count=1000, nodes=1024, memory_gb=65_536, vcpus=4096)},
    "cores": {
        "resources": RESOURCES(resource_type=resource_pb2.RESOURCE_TYPE_CPU, count=1000),
    },
    "a share of a GPU": {
        "resources": RESOURCES(milli_gpu_per_device=1, device_memory_gb=65_536),
    },
    "a share of a TPU": {
        "resources": RESOURCES(
            resource_type=resource_pb2.RESOURCE_TYPE_TPU, milli_gpu_per_device=999
        ),
    },
    "names": {"pool": "\u00e4" * 128, "provider": "p" * 128, "name": "\u00e4\n" * 64},
    "times": {
        "max_runtime": YEAR,
        "estimated_duration": YEAR,
        "simulation": workload_pb2.Simulation(duration=YEAR, exit_code=255),
    },
    "empty arguments": {"args": [""] * 8193},
    "short variables": {"environment": short_variables(3400)},
    "both": {"args": [""] * 8193, "environment": short_variables(2700)},
}


def largest(fields: dict[str, Any]) -> job_pb2.JobSpec:
    """A spec with these fields, made as large as a spec may be by its other texts."""
    spec = job_pb2.JobSpec(**fields)
    if not spec.args:
        spec.command = "x" * min(8192, _room(spec))
    if not spec.environment:
        spec.environment["A"] = "\U0001f47d" * (_room(spec) // 4)
    assert 0 <= LARGEST_SPEC - spec.ByteSize() < 600
    return spec


def _room(spec: job_pb2.JobSpec) -> int:
    """How many bytes a further text may have, which takes some itself to say so."""
    return LARGEST_SPEC - spec.ByteSize() - 16


@pytest.mark.parametrize("edge", EDGES)
async def test_what_is_accepted_can_be_scheduled(open_house: Open, edge: str) -> None:
    """No job fails later for what could have been refused when it was submitted."""
    plenty = {"auto_approve_gpu_hours": 1e9, "default_quota_gpu_hours": 1e9}
    async with open_house(**plenty) as house:
        request = pb.SubmitJobRequest(spec=largest(EDGES[edge]))
        job = (await house.jobs.SubmitJob(request, **house.by("ada"))).job
        workload = await _handed_over(house, job)
    assert job.current_run.id == decoding.workload(workload, NOW, "").spec.id


async def _handed_over(house: House, job: job_pb2.Job) -> workload_pb2.Workload:
    """The job's workload, once an admin has let it go and the scheduler has it."""
    if job.state == job_pb2.JOB_STATE_PENDING:
        job.CopyFrom(await house.approve(job.id))
    await house.scheduler.until(lambda: job.id in house.scheduler.by_job)
    return house.scheduler.by_job[job.id]
