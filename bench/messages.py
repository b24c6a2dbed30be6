"""The messages that are measured: a job as users submit them, and answers of the usual size."""

from __future__ import annotations

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bench.cluster import GPU_TYPE
from bench.load.template import PLACEHOLDER
from gpuaas.job.v1 import job_pb2, job_service_pb2
from gpuaas.scheduler.v1 import resource_pb2, workload_pb2

SUBMIT = "/gpuaas.job.v1.JobService/SubmitJob"
BATCH_SUBMIT = "/gpuaas.job.v1.JobService/BatchSubmitJobs"
WATCH = "/gpuaas.job.v1.JobService/WatchJobs"
BATCH_SIZE = 100

COMMAND = "python train.py --epochs 3"
ESTIMATE_S = 60


def job_spec(simulated_s: int | None = None) -> job_pb2.JobSpec:
    """Returns a small job; with `simulated_s` one that runs for so many simulated seconds."""
    return job_pb2.JobSpec(
        name="resnet50-imagenet",
        command=COMMAND,
        image="pytorch/pytorch:2.4.0",
        environment={"EPOCHS": "3"},
        resources=resource_pb2.ResourceSpec(gpu_type=GPU_TYPE, count=1, memory_gb=32, vcpus=8),
        estimated_duration=Duration(seconds=ESTIMATE_S),
        labels={"team": "vision", "stage": "dev"},
        simulation=None
        if simulated_s is None
        else workload_pb2.Simulation(duration=Duration(seconds=simulated_s)),
    )


def submit_request(simulated_s: int | None = None) -> bytes:
    """Returns a serialized SubmitJobRequest with the placeholder as its request id."""
    request = job_service_pb2.SubmitJobRequest(spec=job_spec(simulated_s), request_id=PLACEHOLDER)
    return request.SerializeToString()


def batch_request() -> bytes:
    """Returns a serialized BatchSubmitJobsRequest of BATCH_SIZE jobs."""
    specs = [job_spec()] * BATCH_SIZE
    request = job_service_pb2.BatchSubmitJobsRequest(specs=specs, request_id=PLACEHOLDER)
    return request.SerializeToString()


def submit_json() -> bytes:
    """Returns the same job as the body of POST /api/v1/jobs."""
    spec = {
        "name": "resnet50-imagenet",
        "command": COMMAND,
        "image": "pytorch/pytorch:2.4.0",
        "environment": {"EPOCHS": "3"},
        "resources": {"gpu_type": GPU_TYPE, "count": 1, "memory_gb": 32, "vcpus": 8},
        "estimated_duration": f"{ESTIMATE_S}s",
        "labels": {"team": "vision", "stage": "dev"},
    }
    return orjson.dumps({"spec": spec})


def canned_job() -> job_service_pb2.SubmitJobResponse:
    """Returns an answer to SubmitJob with what a pending job carries."""
    now = Timestamp(seconds=1_760_000_000, nanos=123_456_000)
    job = job_pb2.Job(
        id="0192f0c1-2345-7abc-8def-0123456789ab",
        owner_id="0192f0c1-0000-7abc-8def-0123456789ab",
        owner="bench",
        team="bench",
        spec=job_spec(),
        state=job_pb2.JOB_STATE_PENDING,
        status="PENDING",
        gpu_type=GPU_TYPE,
        create_time=now,
        update_time=now,
        waiting=job_pb2.WaitingReason(
            kind=job_pb2.WaitingReason.KIND_APPROVAL,
            message="waits for an admin's approval",
            update_time=now,
        ),
        reserved_milli_gpu_seconds=ESTIMATE_S * 1000,
        version=1,
        task_id="0192f0c1-2345-7abc-8def-0123456789ab",
        created_at=now,
    )
    return job_service_pb2.SubmitJobResponse(job=job, task_id=job.id, status="pending")


def canned_batch() -> job_service_pb2.BatchSubmitJobsResponse:
    """Returns an answer to BatchSubmitJobs."""
    results = [job_service_pb2.BatchSubmitResult(job=canned_job().job)] * BATCH_SIZE
    return job_service_pb2.BatchSubmitJobsResponse(results=results, submitted_count=BATCH_SIZE)
