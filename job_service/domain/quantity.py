"""GPU time: the unit of quota. 3,600,000 milli-GPU-seconds are one GPU-hour."""

from datetime import UTC, datetime, timedelta

MILLI_GPU_SECONDS_PER_HOUR = 3_600_000


def gpu_hours(milli_gpu_seconds: int) -> float:
    """Milli-GPU-seconds as GPU-hours, for people."""
    return milli_gpu_seconds / MILLI_GPU_SECONDS_PER_HOUR


def from_gpu_hours(hours: float) -> int:
    """GPU-hours as milli-GPU-seconds, rounded to the nearest."""
    return round(hours * MILLI_GPU_SECONDS_PER_HOUR)


def held_for(milli_gpu: int, time: timedelta) -> int:
    """Milli-GPU-seconds of holding ``milli_gpu`` for a time, rounded up."""
    microseconds = time // timedelta(microseconds=1)
    return -(-milli_gpu * microseconds // 1_000_000)


def period_of(at: datetime) -> str:
    """The UTC month that a time falls into, such as "2026-11"."""
    at = at.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"


def period_start(period: str) -> datetime:
    """The first moment of a period."""
    return datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)


def period_end(period: str) -> datetime:
    """The first moment after a period, when the next month's quota begins."""
    return (period_start(period) + timedelta(days=32)).replace(day=1)
