"""Why a job waits in the scheduler's queue."""

from datetime import datetime
from enum import StrEnum

from servicekit.values import Value


class ReasonKind(StrEnum):
    """Kinds of reason, the dominant first."""

    MISCONFIGURED = "MISCONFIGURED"
    EXCEEDS_POOL = "EXCEEDS_POOL"
    QUOTA = "QUOTA"
    RESOURCES = "RESOURCES"
    PRIORITY = "PRIORITY"


class WaitingReason(Value, frozen=True):
    """The one reason that dominates, what would help, and when the job should start.

    Attributes:
        position: place in the queue of its pool, from 1.
        remedy: smallest change that would start it now; empty means unknown.
        start_earliest: earliest predicted start; None means unknown. So does ``start_latest``.
    """

    kind: ReasonKind
    message: str
    position: int
    remedy: str
    found_at: datetime
    start_earliest: datetime | None = None
    start_latest: datetime | None = None
