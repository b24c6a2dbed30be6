"""The engine's time: microseconds since 1970, and how durations of workloads pass in it."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros_of(at: datetime) -> int:
    """A time in microseconds."""
    return (at - _EPOCH) // MICROSECOND


def moment(micros: int) -> datetime:
    """The time of so many microseconds."""
    return _EPOCH + micros * MICROSECOND


def moment_or_none(micros: int | None) -> datetime | None:
    """The same; None for what is not known."""
    return None if micros is None else moment(micros)


def shortened(duration: timedelta | None, speed: float) -> int | None:
    """How long a duration of a workload takes where it passes ``speed`` times as fast."""
    return None if duration is None else max(1, round(duration / MICROSECOND / speed))
