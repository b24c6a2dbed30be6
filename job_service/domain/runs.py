"""One attempt to run a job: where it ran, how it ended, and whose fault that was."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import NAMESPACE_OID, uuid5

from job_service.domain.prices import Money
from servicekit.values import Value

LONGEST_BACKOFF = timedelta(hours=1)


class Fault(StrEnum):
    """Whose fault a failure was."""

    USER = "USER"
    PLATFORM = "PLATFORM"


class FailureReason(StrEnum):
    """What made a job fail."""

    EXIT_CODE = "EXIT_CODE"
    TIMEOUT = "TIMEOUT"
    DEPENDENCY_FAILED = "DEPENDENCY_FAILED"
    UNSATISFIABLE = "UNSATISFIABLE"
    NODE_LOST = "NODE_LOST"
    BACKEND_ERROR = "BACKEND_ERROR"
    SET_BY_ADMIN = "SET_BY_ADMIN"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"


class Failure(Value, frozen=True):
    """Why a job failed, and whose fault it was."""

    fault: Fault
    reason: FailureReason
    message: str = ""
    exit_code: int = 0


class RetryRule(Value, frozen=True):
    """How often, and after whose faults, a failed run is tried again; preemptions do not count.

    ``backoff`` passes before the first further run, twice as much before each that follows, and
    never more than an hour.
    """

    max_retries: int = 0
    on_fault: tuple[Fault, ...] = (Fault.PLATFORM,)
    backoff: timedelta = timedelta(seconds=10)

    def covers(self, failure: Failure, retries: int) -> bool:
        """Whether a run that failed so is tried again, after so many retries."""
        hopeless = failure.reason is FailureReason.UNSATISFIABLE
        return not hopeless and retries < self.max_retries and failure.fault in self.on_fault

    def pause(self, retries: int) -> timedelta:
        """The time before the next run, after so many retries."""
        doubled: timedelta = self.backoff * 2**retries
        return min(doubled, LONGEST_BACKOFF)


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"


class DeviceSlice(Value, frozen=True):
    """A share of one device, in milli-GPUs."""

    index: int
    milli_gpu: int


class NodeSlice(Value, frozen=True):
    """What a run holds on one node."""

    node_id: str
    node: str
    gpu_type: str
    devices: tuple[DeviceSlice, ...]
    vcpus: int = 0
    memory_gb: int = 0


class Placement(Value, frozen=True):
    """Where a run runs."""

    allocation_id: str
    pool: str
    provider: str
    slices: tuple[NodeSlice, ...]


class Run(Value, frozen=True):
    """One attempt to run a job. ``used`` is in milli-GPU-seconds; without a price no ``cost``."""

    id: str
    attempt: int
    state: RunState
    queued_at: datetime
    placement: Placement | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int = 0
    used: int = 0
    failure: Failure | None = None
    cost: Money | None = None


def further_run_id(job_id: str, attempt: int) -> str:
    """The id of a run after the first: the same however often the way to it is repeated."""
    return str(uuid5(NAMESPACE_OID, f"{job_id}/{attempt}"))
