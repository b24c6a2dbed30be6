"""How a run ended."""

import enum
from dataclasses import dataclass


class OutcomeKind(enum.StrEnum):
    """Kinds of end, by whose fault it was."""

    SUCCEEDED = "succeeded"
    USER_FAILED = "user_failed"
    PLATFORM_FAILED = "platform_failed"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; the exit code is 0 when it did not end by itself."""

    kind: OutcomeKind
    exit_code: int = 0
    message: str = ""
