"""Why a run waits in the scheduler's queue, in the words of jobs."""

from datetime import datetime
from enum import StrEnum

from servicekit.values import Value


class WaitingKind(StrEnum):
    """What holds a run back, the dominant reason."""

    MISCONFIGURED = "MISCONFIGURED"
    EXCEEDS_POOL = "EXCEEDS_POOL"
    QUOTA = "QUOTA"
    RESOURCES = "RESOURCES"
    PRIORITY = "PRIORITY"


class Waiting(Value, frozen=True):
    """Why a run waits, and until when; ``position`` 0 and times of None are unknown."""

    kind: WaitingKind
    message: str
    position: int = 0
    start_earliest: datetime | None = None
    start_latest: datetime | None = None
    remedy: str = ""
    found_at: datetime | None = None
