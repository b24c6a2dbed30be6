"""Errors as HTTP says them: RFC 9457 problem documents, with the services' own reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import grpc
import orjson

from servicekit.errors import HTTP_STATUS, Failure, Kind, Violation
from servicekit.statuses import DETAILS_KEY

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499


class Problem(Exception):
    """An answer other than success: status, machine-readable reason, and words for people."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.headers = dict(headers or {})

    @staticmethod
    def of(failure: Failure) -> Problem:
        """Returns the problem that a service's (or our own) failure is over HTTP."""
        status = HTTP_STATUS[failure.kind]
        headers = {}
        if failure.retry_after is not None:
            headers["retry-after"] = str(math.ceil(failure.retry_after.total_seconds()))
        if status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        return Problem(
            status,
            failure.reason,
            _message(failure),
            violations=failure.violations,
            metadata=failure.metadata,
            headers=headers,
        )

    def document(self, request_id: str) -> bytes:
        """Returns the problem as JSON; `request_id` finds the request in every service's log."""
        return orjson.dumps(
            {
                "type": f"urn:gpuaas:problem:{self.reason}",
                "title": self.reason.replace("_", " ").capitalize(),
                "status": self.status,
                "detail": self.detail,
                "reason": self.reason,
                "request_id": request_id,
                "errors": [
                    {"field": violation.field, "description": violation.description}
                    for violation in self.violations
                ],
                "metadata": self.metadata,
            }
        )


_WITHOUT_DETAILS = {
    Kind.UNAVAILABLE: "the service cannot be reached now; try again soon",
    Kind.DEADLINE_EXCEEDED: "no answer in time; a change may or may not have been made",
    Kind.UNIMPLEMENTED: "this is not served here",
}


def _message(failure: Failure) -> str:
    """Returns the failure's words, unless they are gRPC's own, which show addresses of ours."""
    cause = failure.__cause__
    if not isinstance(cause, grpc.aio.AioRpcError):
        return failure.message
    if any(key == DETAILS_KEY for key, _ in cause.trailing_metadata() or ()):
        return failure.message
    return _WITHOUT_DETAILS.get(failure.kind, "the service could not answer")
