"""Runs: where they ran and how they ended."""

from gpuaas.job.v1 import run_pb2
from gpuaas.scheduler.v1 import resource_pb2
from job_service.domain.runs import Failure, Placement, Run, RunState
from job_service.entrypoints.encoding.money import write_money
from servicekit.wellknown import write_time

_RUN_STATES = {state: run_pb2.RunState.Value(f"RUN_STATE_{state}") for state in RunState}


def write_run(message: run_pb2.Run, job_id: str, run: Run) -> None:
    """A run, in place."""
    message.id = run.id
    message.job_id = job_id
    message.attempt = run.attempt
    message.state = _RUN_STATES[run.state]
    write_time(message.queue_time, run.queued_at)
    if run.placement:
        _write_placement(message.placement, run.placement)
    if run.started_at:
        write_time(message.start_time, run.started_at)
    if run.ended_at:
        write_time(message.end_time, run.ended_at)
    message.exit_code = run.exit_code
    message.used_milli_gpu_seconds = run.used
    write_money(message.cost, run.cost)
    if run.failure:
        write_failure(message.failure, run.failure)


def _write_placement(message: resource_pb2.Placement, placement: Placement) -> None:
    message.allocation_id = placement.allocation_id
    message.pool = placement.pool
    message.provider = placement.provider
    for node in placement.slices:
        part = message.slices.add(
            node_id=node.node_id,
            node=node.node,
            gpu_type=node.gpu_type,
            vcpus=node.vcpus,
            memory_gb=node.memory_gb,
        )
        for device in node.devices:
            part.devices.add(index=device.index, milli_gpu=device.milli_gpu)


def write_failure(message: run_pb2.Failure, failure: Failure) -> None:
    """Why a run or a job failed, in place."""
    message.fault = run_pb2.FaultParty.Value(f"FAULT_PARTY_{failure.fault}")
    message.reason = run_pb2.FailureReason.Value(f"FAILURE_REASON_{failure.reason}")
    message.message = failure.message
    message.exit_code = failure.exit_code
