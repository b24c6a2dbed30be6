"""The one error type that crosses a service's border, independent of any wire format.

A rule that is broken raises a `Failure` with a machine-readable reason; the interceptor turns it
into a gRPC status, the gateway into problem+json, the client turns it back into a `Failure`.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

DOMAIN = "gpuaas"


class Kind(enum.Enum):
    """What sort of failure it is; names and numbers are those of gRPC's status codes."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


HTTP_STATUS: Mapping[Kind, int] = {
    Kind.CANCELLED: 499,
    Kind.UNKNOWN: 500,
    Kind.INVALID_ARGUMENT: 400,
    Kind.DEADLINE_EXCEEDED: 504,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.PERMISSION_DENIED: 403,
    Kind.RESOURCE_EXHAUSTED: 429,
    Kind.FAILED_PRECONDITION: 400,
    Kind.ABORTED: 409,
    Kind.OUT_OF_RANGE: 400,
    Kind.UNIMPLEMENTED: 501,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.UNAUTHENTICATED: 401,
}
"""The HTTP status of each kind; every kind has one."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that was wrong: its path in the request, and what was expected of it."""

    field: str
    description: str


class Failure(Exception):
    """An expected failure with a reason that a program can act on.

    `message` is for people and may be shown to the caller; `metadata` holds the facts behind it
    (all text); `retry_after` says when the same request may succeed.
    """

    kind: ClassVar[Kind] = Kind.UNKNOWN
    reason: str = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.metadata: dict[str, str] = dict(metadata) if metadata else {}
        self.violations = tuple(violations)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels between processes as what it is, whatever its class asks for when it is made."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(failure: type[Failure], arguments: tuple[Any, ...], state: dict[str, Any]) -> Failure:
    restored = failure.__new__(failure)
    restored.args = arguments
    restored.__dict__.update(state)
    return restored


class Cancelled(Failure):
    """The caller went away."""

    kind = Kind.CANCELLED
    reason = "CANCELLED"


class Unknown(Failure):
    """A peer failed in a way that it did not explain."""

    kind = Kind.UNKNOWN


class InvalidArgument(Failure):
    """The request is wrong whatever the state of the system."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FIELD_INVALID"


class DeadlineExceeded(Failure):
    """Time ran out; the work may or may not have been done."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class NotFound(Failure):
    """It does not exist, or the caller may not know that it does."""

    kind = Kind.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(Failure):
    """Something with that name or id is there already."""

    kind = Kind.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class PermissionDenied(Failure):
    """The caller is known and may not do this."""

    kind = Kind.PERMISSION_DENIED
    reason = "ROLE_FORBIDDEN"


class ResourceExhausted(Failure):
    """A limit on rate, size or load was reached."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class FailedPrecondition(Failure):
    """The request is fine and the state of the system does not allow it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Aborted(Failure):
    """A concurrent change won; read again and decide again."""

    kind = Kind.ABORTED
    reason = "ABORTED"


class OutOfRange(Failure):
    """A position that is no longer, or not yet, there."""

    kind = Kind.OUT_OF_RANGE
    reason = "OUT_OF_RANGE"


class Unimplemented(Failure):
    """The contract has it, this build does not."""

    kind = Kind.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


class Internal(Failure):
    """A defect of the service; details are in its log under the error id."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"


class Unavailable(Failure):
    """Not now; a read may be retried at once, a change only with its request id."""

    kind = Kind.UNAVAILABLE
    reason = "UNAVAILABLE"


class Unauthenticated(Failure):
    """It is not known who calls."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


FAILURES: Mapping[Kind, type[Failure]] = {
    failure.kind: failure
    for failure in (
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        Unauthenticated,
    )
}
"""The general class of each kind, for whoever turns a status back into an exception."""


def invalid(field: str, expected: str) -> InvalidArgument:
    """Returns the failure of one field: its path, and what was expected ("a positive number")."""
    return InvalidArgument(
        f"{field}: expected {expected}",
        metadata={"field": field},
        violations=(Violation(field, f"expected {expected}"),),
    )
