"""What the rules of jobs and quota refuse, with the reasons of the contract."""

from collections.abc import Sequence
from datetime import datetime

from job_service.domain.quantity import gpu_hours
from servicekit.errors import (
    Aborted,
    FailedPrecondition,
    Failure,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Violation,
)


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


class QuotaInUse(FailedPrecondition):
    """The new limit would leave less than is reserved and used this month."""

    reason = "QUOTA_IN_USE"

    def __init__(self, subject: str, quota: int, in_use: int) -> None:
        super().__init__(
            f"{gpu_hours(in_use):.2f} GPU-hours are reserved and used this month, more than the "
            f"{gpu_hours(quota):.2f} that there would be.",
            metadata={
                "subject": subject,
                "quota_milli_gpu_seconds": str(quota),
                "in_use_milli_gpu_seconds": str(in_use),
            },
        )


class OwnerNotFound(NotFound):
    """There is no such user or team, or the caller may not know of it."""

    reason = "OWNER_NOT_FOUND"

    def __init__(self, owner_id: str) -> None:
        super().__init__(f"There is no user or team {owner_id}.", metadata={"owner_id": owner_id})


class SelfApprovalForbidden(PermissionDenied):
    """Nobody approves an own job that is too large for one approver."""

    reason = "SELF_APPROVAL_FORBIDDEN"

    def __init__(self, job_id: str, needed: int) -> None:
        super().__init__(
            f"The job needs {needed} approvals, none of them its owner's.",
            metadata={"job_id": job_id, "approvals_needed": str(needed)},
        )


class RulesChanged(Aborted):
    """Somebody changed the approval rules since they were read."""

    reason = "CONCURRENT_CHANGE"

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(
            f"The rules are at version {found}, not {expected}; read them again.",
            metadata={"expected_version": str(expected), "version": str(found)},
        )


class WebhookNotFound(NotFound):
    """There is no such webhook, or the caller may not know of it."""

    reason = "WEBHOOK_NOT_FOUND"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook {webhook_id}.", metadata={"webhook_id": webhook_id})


class WebhookLimitReached(FailedPrecondition):
    """The caller has as many webhooks as are allowed."""

    reason = "WEBHOOK_LIMIT_REACHED"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} webhooks already.", metadata={"limit": str(most)})


class WebhookUrlForbidden(InvalidArgument):
    """The address is not one that may be called."""

    reason = "WEBHOOK_URL_FORBIDDEN"

    def __init__(self, expected: str) -> None:
        super().__init__(
            f"url: expected {expected}",
            metadata={"field": "url"},
            violations=(Violation("url", f"expected {expected}"),),
        )


class DeliveryNotFound(NotFound):
    """There is no such dead letter, or the caller may not know of it."""

    reason = "DELIVERY_NOT_FOUND"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(
            f"There is no dead letter {delivery_id}.", metadata={"dead_letter_id": delivery_id}
        )


class QuoteExpired(FailedPrecondition):
    """The quote's time is over."""

    reason = "QUOTE_EXPIRED"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__(
            f"The quote held until {expired_at:%Y-%m-%d %H:%M:%S} UTC; ask for a new one.",
            metadata={"expire_time": expired_at.isoformat()},
        )


class QuoteMismatch(FailedPrecondition):
    """The quote was for another job, or for somebody else."""

    reason = "QUOTE_MISMATCH"

    def __init__(self, differs: str) -> None:
        super().__init__(f"The quote was for another {differs}.", metadata={"differs": differs})


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


class DependencyNotFound(NotFound):
    """A job that was to end first does not exist, or the caller may not know of it."""

    reason = "DEPENDENCY_NOT_FOUND"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"There is no job {job_id} to wait for.", metadata={"dependency_job_id": job_id}
        )


class DependencyNotMet(FailedPrecondition):
    """A job that had to complete first has ended otherwise."""

    reason = "DEPENDENCY_NOT_MET"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(
            f"Job {job_id} had to complete first and is {state}.",
            metadata={"dependency_job_id": job_id, "state": state},
        )


class DependencyCycle(InvalidArgument):
    """Jobs would wait for each other."""

    reason = "DEPENDENCY_CYCLE"

    def __init__(self, places: Sequence[int]) -> None:
        circle = " -> ".join(map(str, places))
        super().__init__(
            f"Items of the batch would wait for each other: {circle}.",
            metadata={"items": ",".join(map(str, places))},
        )


class RunNotFound(NotFound):
    """The job has no such run."""

    reason = "RUN_NOT_FOUND"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The job has no run {run_id}.", metadata={"run_id": run_id})
