"""What the rules of jobs and quota refuse, with the reasons of the contract."""

from datetime import datetime

from job_service.domain.quantity import gpu_hours
from servicekit.errors import FailedPrecondition, NotFound


class JobNotFound(NotFound):
    """There is no such job, or the caller may not know of it."""

    reason = "JOB_NOT_FOUND"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id}.", metadata={"job_id": job_id})


class JobStateForbids(FailedPrecondition):
    """The job's state does not allow the verb."""

    reason = "JOB_STATE_FORBIDS"

    def __init__(self, verb: str, job_id: str, state: str) -> None:
        super().__init__(
            f"A job that is {state} cannot {verb}.",
            metadata={"job_id": job_id, "state": state, "verb": verb},
        )


class QuotaExceeded(FailedPrecondition):
    """More GPU-hours were asked for than are left in the month."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, asked: int, left: int, resets_at: datetime) -> None:
        super().__init__(
            f"The job asks for {gpu_hours(asked):.2f} GPU-hours and {gpu_hours(left):.2f} are left "
            f"until {resets_at:%Y-%m-%d %H:%M} UTC.",
            metadata={
                "asked_milli_gpu_seconds": str(asked),
                "left_milli_gpu_seconds": str(left),
                "asked_gpu_hours": f"{gpu_hours(asked):.4f}",
                "left_gpu_hours": f"{gpu_hours(left):.4f}",
                "resets_at": resets_at.isoformat(),
            },
        )
