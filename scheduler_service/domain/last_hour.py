"""What happened in the last hour, in minutes, so that any traffic takes the same room."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, log2

from servicekit.values import Value

MINUTES = 60
_MINUTE = timedelta(minutes=1)
_PER_OCTAVE = 8
_LEAST_S = 1e-6


class Spread(Value, frozen=True):
    """Durations in short: their number, mean, and what 99 of 100 did not exceed."""

    count: int = 0
    mean: timedelta = timedelta()
    p99: timedelta = timedelta()


class HourFigures(Value, frozen=True):
    """The figures of an hour.

    Attributes:
        waits: of what started.
        cycles: of scheduling.
        decisions_per_second: of scheduling, not of the hour.
        success: by provider, the part of the runs that the platform did not fail, 0 to 1.
    """

    finished: int
    preempted: int
    waits: Spread
    cycles: Spread
    decisions_per_second: float
    success: dict[str, float]


@dataclass(slots=True)
class _Durations:
    """Counted by their size, eight sorts to each doubling: quantiles are right within 9%."""

    seconds: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)

    def add(self, duration: timedelta) -> None:
        seconds = max(duration.total_seconds(), 0.0)
        self.seconds += seconds
        self.sizes[ceil(_PER_OCTAVE * log2(max(seconds, _LEAST_S)))] += 1

    def update(self, other: "_Durations") -> None:
        self.seconds += other.seconds
        self.sizes.update(other.sizes)

    @property
    def spread(self) -> Spread:
        count = self.sizes.total()
        if not count:
            return Spread()
        left = ceil(count * 0.99)
        for size in sorted(self.sizes):
            left -= self.sizes[size]
            if left <= 0:
                p99 = timedelta(seconds=2 ** (size / _PER_OCTAVE))
                return Spread(count, timedelta(seconds=self.seconds / count), p99)
        raise AssertionError("some size is the largest")


@dataclass(slots=True)
class _Minute:
    """What happened in one minute, or in several that were added up."""

    at: int
    preempted: int = 0
    decisions: int = 0
    waits: _Durations = field(default_factory=_Durations)
    cycles: _Durations = field(default_factory=_Durations)
    ended: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def update(self, other: "_Minute") -> None:
        self.preempted += other.preempted
        self.decisions += other.decisions
        self.waits.update(other.waits)
        self.cycles.update(other.cycles)
        self.ended.update(other.ended)
        self.failed.update(other.failed)


class LastHour:
    """Counts as things happen; forgets after an hour."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque()

    def started(self, wait: timedelta, now: datetime) -> None:
        """A workload started after a wait."""
        self._minute(now).waits.add(wait)

    def ended(self, provider: str, by_platform: bool, now: datetime) -> None:
        """A run ended by itself, or by the platform's fault."""
        minute = self._minute(now)
        minute.ended[provider] += 1
        minute.failed[provider] += by_platform

    def preempted(self, count: int, now: datetime) -> None:
        """So many workloads were preempted."""
        self._minute(now).preempted += count

    def planned(self, took: timedelta, decisions: int, now: datetime) -> None:
        """A cycle of scheduling was done."""
        minute = self._minute(now)
        minute.cycles.add(took)
        minute.decisions += decisions

    def figures(self, now: datetime) -> HourFigures:
        """What happened in the hour up to now."""
        whole = _Minute(0)
        self._forget(now)
        for minute in self._minutes:
            whole.update(minute)
        return HourFigures(
            finished=whole.ended.total(),
            preempted=whole.preempted,
            waits=whole.waits.spread,
            cycles=whole.cycles.spread,
            decisions_per_second=whole.decisions / max(whole.cycles.seconds, _LEAST_S),
            success={
                provider: 1 - whole.failed[provider] / count
                for provider, count in sorted(whole.ended.items())
            },
        )

    def _minute(self, now: datetime) -> _Minute:
        at = _number(now)
        if not self._minutes or self._minutes[-1].at < at:
            self._forget(now)
            self._minutes.append(_Minute(at))
        return self._minutes[-1]

    def _forget(self, now: datetime) -> None:
        oldest = _number(now) - MINUTES
        while self._minutes and self._minutes[0].at <= oldest:
            self._minutes.popleft()


def _number(now: datetime) -> int:
    return int(now.timestamp()) // int(_MINUTE.total_seconds())
