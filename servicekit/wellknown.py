"""Times and spans between Python and protobuf's well-known types, exact to the microsecond."""

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.clock import EPOCH, from_micros, to_micros

_SECOND = 1_000_000


def timestamp(moment: datetime) -> Timestamp:
    """Returns an aware time as a Timestamp."""
    seconds, micros = divmod(to_micros(moment), _SECOND)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def timestamp_or_none(moment: datetime | None) -> Timestamp | None:
    """Returns a time as a Timestamp, and nothing as nothing."""
    return None if moment is None else timestamp(moment)


def write_time(message: Timestamp, moment: datetime) -> None:
    """Writes an aware time in place, which takes a fifth of making it and copying it there."""
    since = moment - EPOCH
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = since.microseconds * 1000


def write_span(message: Duration, span: timedelta) -> None:
    """Writes a span that is not negative in place; one of nothing is there all the same."""
    message.seconds = span.days * 86_400 + span.seconds
    message.nanos = span.microseconds * 1000


def duration(span: timedelta) -> Duration:
    """Returns a span that is not negative as a Duration."""
    return Duration(seconds=span.days * 86_400 + span.seconds, nanos=span.microseconds * 1000)


def moment(message: Timestamp) -> datetime:
    """Returns a Timestamp as an aware UTC time; OverflowError outside of the years 1 to 9999."""
    return from_micros(message.seconds * _SECOND + message.nanos // 1000)


def span(message: Duration) -> timedelta:
    """Returns a Duration as a span; OverflowError beyond what a timedelta holds."""
    return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
