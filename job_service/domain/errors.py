"""What the rules of jobs and quota refuse, with the reasons of the contract."""

from datetime import datetime

from job_service.domain.quantity import gpu_hours
from servicekit.errors import Aborted, FailedPrecondition, Failure, NotFound


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

    def __init__(self, subject: str, asked: int, left: int, resets_at: datetime) -> None:
        super().__init__(
            f"The job asks for {gpu_hours(asked):.2f} GPU-hours and {gpu_hours(left):.2f} are left "
            f"until {resets_at:%Y-%m-%d %H:%M} UTC.",
            metadata={
                "subject": subject,
                "asked_milli_gpu_seconds": str(asked),
                "left_milli_gpu_seconds": str(left),
                "asked_gpu_hours": f"{gpu_hours(asked):.4f}",
                "left_gpu_hours": f"{gpu_hours(left):.4f}",
                "resets_at": resets_at.isoformat(),
            },
        )


class OwnerNotFound(NotFound):
    """There is no such user, or the caller may not know of it."""

    reason = "OWNER_NOT_FOUND"

    def __init__(self, owner_id: str) -> None:
        super().__init__(f"There is no user {owner_id}.", metadata={"owner_id": owner_id})


class BatchAborted(Aborted):
    """An item of an all-or-nothing batch was refused, so that none was stored.

    Attributes:
        place: which item, from 0.
        cause: why it was refused.
    """

    reason = "BATCH_ABORTED"

    def __init__(self, place: int, cause: Failure) -> None:
        super().__init__(
            f"Item {place} of the batch was refused, so nothing was stored.",
            metadata={"item": str(place), "item_reason": cause.reason},
        )
        self.place = place
        self.cause = cause
