"""Time as an argument: whoever needs "now" is given a clock, and tests give one that they move."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time of day and a time that never jumps."""

    def now(self) -> datetime:
        """Returns the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Returns seconds since some fixed point; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Returns the machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns the machine's monotonic seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is moved: virtual time for simulations and tests."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """Returns the start plus everything advanced so far."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Returns the seconds advanced so far."""
        return self._elapsed.total_seconds()

    def advance(self, span: timedelta) -> None:
        """Moves forward by `span`; time does not run backwards (ValueError)."""
        if span < timedelta():
            raise ValueError(f"a clock moves forward, not by {span}")
        self._elapsed += span


def to_micros(moment: datetime) -> int:
    """Returns an aware time as exact integer microseconds since 1970, as columns hold it."""
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Returns integer microseconds since 1970 as an aware UTC time, exactly."""
    return EPOCH + timedelta(microseconds=micros)
