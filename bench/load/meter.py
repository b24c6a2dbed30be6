"""Counts calls inside a window of time, after a warm-up that is not counted."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Sequence

import msgspec


class Result(msgspec.Struct, frozen=True):
    """What a run of load came to.

    Attributes:
        calls: calls that succeeded inside the window.
        seconds: length of the window.
        failures: number of failed calls by status, warm-up included.
        p50_ms: median time from sending a request to its answer.
        p99_ms: the same for the slowest hundredth.
        client_us: processor time of the load process per call, in microseconds.
    """

    calls: int
    seconds: float
    failures: dict[str, int]
    p50_ms: float
    p99_ms: float
    client_us: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


class Meter:
    """Takes the end of every call; those that end inside the window count."""

    def __init__(self, warm_up: float, measured: float) -> None:
        """Begins the warm-up now; both lengths in seconds."""
        self._begin = time.perf_counter() + warm_up
        self._end = self._begin + measured
        self._cpu: float | None = None
        self._latencies: list[float] = []
        self._failures: Counter[str] = Counter()
        self.length = warm_up + measured

    def record(self, started: float, status: str | None) -> bool:
        """Takes a call's start and its failure, if any; returns whether to go on calling."""
        now = time.perf_counter()
        if status is not None:
            self._failures[status] += 1
            return False
        if now >= self._begin:
            if self._cpu is None:
                self._cpu = processor_seconds()
            if now >= self._end:
                return False
            self._latencies.append(now - started)
        return True

    def result(self) -> Result:
        """Sums up."""
        cpu = processor_seconds() - (self._cpu or 0.0)
        latencies = sorted(self._latencies)
        calls = len(latencies)
        return Result(
            calls=calls,
            seconds=self._end - self._begin,
            failures=dict(self._failures),
            p50_ms=1e3 * quantile(latencies, 0.5),
            p99_ms=1e3 * quantile(latencies, 0.99),
            client_us=1e6 * cpu / max(calls, 1),
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the value below which `share` of the ordered values lie; 0 without values."""
    if not ordered:
        return 0.0
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def processor_seconds() -> float:
    """Returns the processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
