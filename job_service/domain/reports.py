"""What the scheduler reports of runs, in the words of jobs."""

from datetime import datetime
from enum import StrEnum

from job_service.domain.prices import Money
from job_service.domain.runs import Failure, FailureReason, Fault, Placement
from servicekit.values import PlainValue


class ReportKind(StrEnum):
    """What a report says of a run.

    Whatever else the scheduler tells is none of a job's business.
    """

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    USER_FAILED = "USER_FAILED"
    PLATFORM_FAILED = "PLATFORM_FAILED"
    TIMED_OUT = "TIMED_OUT"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"


class Report(PlainValue, frozen=True):
    """One event of the scheduler. ``used`` is in milli-GPU-seconds, ``cost`` the price of that.

    ``node_lost`` says of a run that lost its place whether it did so with its node.
    """

    kind: ReportKind
    job_id: str
    run_id: str
    at: datetime
    placement: Placement | None = None
    exit_code: int = 0
    message: str = ""
    used: int = 0
    node_lost: bool = False
    cost: Money | None = None

    @property
    def failure(self) -> Failure | None:
        """Why the reported run failed and whose fault that was; None if it went well."""
        match self.kind:
            case ReportKind.USER_FAILED:
                message = self.message or f"exited with code {self.exit_code}"
                return Failure(Fault.USER, FailureReason.EXIT_CODE, message, self.exit_code)
            case ReportKind.TIMED_OUT:
                return Failure(
                    Fault.USER, FailureReason.TIMEOUT, self.message or "reached its maximum runtime"
                )
            case ReportKind.REFUSED:
                return Failure(Fault.USER, FailureReason.UNSATISFIABLE, self.message)
            case ReportKind.PLATFORM_FAILED:
                return Failure(Fault.PLATFORM, FailureReason.BACKEND_ERROR, self.message)
            case ReportKind.PREEMPTED if self.node_lost:
                message = self.message or "lost its node"
                return Failure(Fault.PLATFORM, FailureReason.NODE_LOST, message)
        return None
