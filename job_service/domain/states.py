"""Where a job can stand, and what can happen to it."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return self in ENDED


ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED})


class EventKind(StrEnum):
    """What happened to a job."""

    SUBMITTED = "SUBMITTED"
    PARTLY_APPROVED = "PARTLY_APPROVED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    QUEUED = "QUEUED"
    STARTED = "STARTED"
    PREEMPTED = "PREEMPTED"
    RETRIED = "RETRIED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
