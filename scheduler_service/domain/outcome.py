"""How a run ended."""

import enum

from servicekit.values import Value


class OutcomeKind(enum.StrEnum):
    """Kinds of end, by whose fault it was."""

    SUCCEEDED = "succeeded"
    USER_FAILED = "user_failed"
    PLATFORM_FAILED = "platform_failed"
    TIMED_OUT = "timed_out"


class Outcome(Value, frozen=True):
    """How a run ended; the exit code is 0 when it did not end by itself."""

    kind: OutcomeKind
    exit_code: int = 0
    message: str = ""
