"""A `Failure` on the gRPC wire and back: google.rpc.Status in the trailing metadata.

Exactly one ErrorInfo of domain "gpuaas" carries the reason; BadRequest, QuotaFailure and
RetryInfo stand beside it when they say something true. Everything is cut to a size that every
client's metadata limit lets through: a status that is too large arrives as another error.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from servicekit.errors import DOMAIN, FAILURES, Failure, Kind, Violation

DETAILS_KEY = "grpc-status-details-bin"
QUOTA_REASON = "QUOTA_EXCEEDED"

CODES: dict[Kind, grpc.StatusCode] = {kind: grpc.StatusCode[kind.name] for kind in Kind}
"""gRPC's own code of each kind."""

_KINDS: dict[grpc.StatusCode, Kind] = {code: kind for kind, code in CODES.items()}
_KINDS_BY_NUMBER: dict[int, Kind] = {kind.value: kind for kind in Kind}
_TEXT_BYTES = 512
_ENTRIES = 8
_DETAILS_BYTES = 4 * 1024
_TYPE_PREFIX = "type.googleapis.com/"


def status_of(failure: Failure) -> status_pb2.Status:
    """Returns the failure as google.rpc.Status, small enough for an 8 KB metadata limit."""
    status = status_pb2.Status(
        code=code_pb2.Code.Value(failure.kind.name), message=_cut(failure.message, _TEXT_BYTES)
    )
    for detail in _details_of(failure):
        packed = AnyMessage()
        packed.Pack(detail)
        if status.ByteSize() + packed.ByteSize() <= _DETAILS_BYTES:
            status.details.append(packed)
    return status


def failure_of(status: status_pb2.Status) -> Failure:
    """Returns the failure that a google.rpc.Status speaks of, whoever made it."""
    facts: dict[str, Any] = {}
    for packed in status.details:
        read = _READERS.get(packed.type_url.removeprefix(_TYPE_PREFIX))
        if read is not None:
            facts.update(read(packed.value))
    failure = FAILURES[_KINDS_BY_NUMBER.get(status.code, Kind.UNKNOWN)]
    return failure(status.message, **facts)


def failure_from_rpc(error: grpc.aio.AioRpcError) -> Failure:
    """Returns the failure of a finished call; one without details keeps its kind and text."""
    status = _status_details(error)
    if status is not None:
        return failure_of(status)
    kind = _KINDS.get(error.code(), Kind.UNKNOWN)
    return FAILURES[kind](error.details() or kind.name.replace("_", " ").lower())


def _status_details(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return _parsed(value)
    return None


def _parsed(value: bytes) -> status_pb2.Status | None:
    try:
        return status_pb2.Status.FromString(value)
    except DecodeError:
        return None


def _details_of(failure: Failure) -> Iterable[Any]:
    """Gives the details in the order of their worth: what no longer fits is left out."""
    metadata = list(failure.metadata.items())[:_ENTRIES]
    yield error_details_pb2.ErrorInfo(
        reason=failure.reason,
        domain=DOMAIN,
        metadata={_cut(key, 64): _cut(value, 128) for key, value in metadata},
    )
    if failure.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(failure.retry_after)
        yield retry
    if failure.violations:
        yield _bad_request(failure.violations[:_ENTRIES])
    if failure.reason == QUOTA_REASON:
        yield _quota_failure(failure)


def _bad_request(violations: Iterable[Violation]) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for violation in violations:
        request.field_violations.add(
            field=_cut(violation.field, 96), description=_cut(violation.description, 128)
        )
    return request


def _quota_failure(failure: Failure) -> error_details_pb2.QuotaFailure:
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(
        subject=_cut(failure.metadata.get("subject", ""), 128),
        description=_cut(failure.message, _TEXT_BYTES),
    )
    return quota


def _cut(text: str, limit: int) -> str:
    """Shortens to `limit` bytes of UTF-8, never in the middle of a character."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def _read_info(value: bytes) -> dict[str, Any]:
    info = error_details_pb2.ErrorInfo.FromString(value)
    return {"reason": info.reason or None, "metadata": dict(info.metadata)}


def _read_violations(value: bytes) -> dict[str, Any]:
    request = error_details_pb2.BadRequest.FromString(value)
    found = (Violation(entry.field, entry.description) for entry in request.field_violations)
    return {"violations": tuple(found)}


def _read_retry(value: bytes) -> dict[str, Any]:
    retry = error_details_pb2.RetryInfo.FromString(value)
    return {"retry_after": retry.retry_delay.ToTimedelta()}


_READERS: Mapping[str, Callable[[bytes], dict[str, Any]]] = {
    "google.rpc.ErrorInfo": _read_info,
    "google.rpc.BadRequest": _read_violations,
    "google.rpc.RetryInfo": _read_retry,
}
