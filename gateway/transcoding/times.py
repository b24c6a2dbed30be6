"""Timestamps and durations as JSON writes them: RFC 3339 in UTC, and decimal seconds with an s."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gateway.transcoding.mismatch import Mismatch
from servicekit.clock import EPOCH

_MOST_DURATION_SECONDS = 315_576_000_000

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)


def timestamp_text(seconds: int, nanos: int) -> str:
    """Returns the instant as `2025-01-31T12:00:00.123Z`, with 0, 3, 6 or 9 decimals."""
    whole = _whole_seconds(seconds)
    return f"{whole}{_fraction(nanos)}Z" if nanos else whole + "Z"


@lru_cache(maxsize=4096)
def _whole_seconds(seconds: int) -> str:
    """Remembers the latest: the times of one answer, and of answers close together, repeat."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")


def timestamp_parts(value: object) -> tuple[int, int]:
    """Returns seconds since 1970 and nanoseconds of an RFC 3339 text; offsets are allowed."""
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _no_timestamp()
    whole, decimals, offset = match.groups()
    try:
        instant = datetime.fromisoformat(whole + offset)
        passed = instant.astimezone(UTC) - EPOCH
    except (ValueError, OverflowError):
        raise _no_timestamp() from None
    return passed.days * 86_400 + passed.seconds, _nanos(decimals)


def duration_text(seconds: int, nanos: int) -> str:
    """Returns the span as `90s` or `-0.500s`, with 0, 3, 6 or 9 decimals."""
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def duration_parts(value: object) -> tuple[int, int]:
    """Returns whole seconds and nanoseconds of a text such as `3600s`; both carry the sign."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > _MOST_DURATION_SECONDS:
        raise Mismatch.expected('a duration in seconds such as "3600s" or "0.5s"')
    sign = -1 if match[1] else 1
    return sign * int(match[2]), sign * _nanos(match[3])


def _no_timestamp() -> Mismatch:
    return Mismatch.expected('an RFC 3339 time such as "2025-01-31T12:00:00Z"')


def _nanos(decimals: str | None) -> int:
    return int(decimals.ljust(9, "0")) if decimals else 0


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03d}"
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06d}"
    return f".{nanos:09d}"
