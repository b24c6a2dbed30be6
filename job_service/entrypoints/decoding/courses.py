"""What a spec says about the course of its job: what it waits for, how often it is tried."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from gpuaas.job.v1 import job_pb2, run_pb2
from job_service.domain.dependencies import Condition, Dependency
from job_service.domain.runs import LONGEST_BACKOFF, Fault, RetryRule
from job_service.entrypoints.decoding import fields
from servicekit.errors import invalid

MOST_DEPENDENCIES = 100
MOST_IN_ARRAY = 1000
MOST_RETRIES = 10
LONGEST_ID = 128

CONDITIONS: Mapping[int, Condition] = {
    job_pb2.Dependency.CONDITION_UNSPECIFIED: Condition.AFTER_OK,
    job_pb2.Dependency.CONDITION_AFTER_OK: Condition.AFTER_OK,
    job_pb2.Dependency.CONDITION_AFTER_ANY: Condition.AFTER_ANY,
}
FAULTS: Mapping[int, Fault] = {
    run_pb2.FAULT_PARTY_USER: Fault.USER,
    run_pb2.FAULT_PARTY_PLATFORM: Fault.PLATFORM,
}


def dependencies(
    messages: Iterable[job_pb2.Dependency], path: str, batch: int
) -> tuple[Dependency, ...]:
    """The jobs to wait for, each once; in a batch also by their places in it."""
    found: dict[tuple[str, int | None], Dependency] = {}
    for place, message in enumerate(messages):
        if place >= MOST_DEPENDENCIES:
            raise invalid(f"{path}dependencies", f"at most {MOST_DEPENDENCIES} jobs to wait for")
        one = _dependency(message, f"{path}dependencies[{place}].", batch)
        key = one.job_id, one.batch_index
        if found.setdefault(key, one) != one:
            raise invalid(f"{path}dependencies[{place}]", "one condition for each job")
    return tuple(found.values())


def array_size(message: job_pb2.JobSpec, path: str) -> int:
    """How many jobs are asked for at once; 0 for one that stands alone."""
    size = message.array_size
    if not 0 <= size <= MOST_IN_ARRAY:
        raise invalid(f"{path}array_size", f"a whole number from 0 to {MOST_IN_ARRAY}")
    return 0 if size == 1 else size


def retry_rule(message: job_pb2.JobSpec, path: str) -> RetryRule | None:
    """The rule for retries, or None where the installation's holds."""
    if not message.HasField("retry"):
        return None
    asked, path = message.retry, f"{path}retry."
    if not 0 <= asked.max_retries <= MOST_RETRIES:
        raise invalid(f"{path}max_retries", f"a whole number from 0 to {MOST_RETRIES}")
    faults = [fields.known(FAULTS, number, f"{path}on_fault") for number in asked.on_fault]
    backoff = RetryRule().backoff
    if asked.HasField("backoff"):
        backoff = fields.duration(asked.backoff, f"{path}backoff", timedelta())
        if backoff > LONGEST_BACKOFF:
            raise invalid(f"{path}backoff", "a duration of at most an hour")
    return RetryRule(asked.max_retries, tuple(dict.fromkeys(faults)) or (Fault.PLATFORM,), backoff)


def _dependency(message: job_pb2.Dependency, path: str, batch: int) -> Dependency:
    condition = fields.known(CONDITIONS, message.condition, f"{path}condition")
    if message.HasField("batch_index") == bool(message.job_id):
        raise invalid(f"{path}job_id", "this or batch_index; exactly one of them")
    if message.job_id:
        return Dependency(fields.text(message.job_id, f"{path}job_id", LONGEST_ID), condition)
    if not 0 <= message.batch_index < batch:
        expected = f"a place from 0 to {batch - 1}" if batch else "absent outside of a batch"
        raise invalid(f"{path}batch_index", expected)
    return Dependency("", condition, message.batch_index)
