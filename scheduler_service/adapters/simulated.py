"""The embedded backend: runs are only remembered, and end when their virtual time is over.

Virtual time passes ``speed`` times as fast as the clock. A run's course depends on its workload and
the seed alone and its start is given, so a restarted backend that is told of its runs again goes on
where it was.
"""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from scheduler_service.application.ports import FinishedRun, Run
from scheduler_service.domain.output import OutputLine, output_of
from scheduler_service.domain.simulation import Course, course
from scheduler_service.domain.workload import Workload
from servicekit.clock import Clock

_AT_LEAST = 0.001
_SLACK = 1000


@dataclass(frozen=True, slots=True)
class _Running:
    """A run, its course, and the monotonic time at which it began, in seconds."""

    run: Run
    course: Course
    began: float


class SimulatedBackend:
    """Implements the port ``Backend``. Lives on the event loop."""

    def __init__(self, clock: Clock, *, speed: float, seed: str, failure_rate: float) -> None:
        self._clock = clock
        self._speed = speed
        self._seed = seed
        self._failure_rate = failure_rate
        self._running: dict[str, _Running] = {}
        self._ends: list[tuple[float, str]] = []
        self._changed = asyncio.Event()

    async def start(self, runs: Sequence[Run]) -> None:
        """Makes sure that these run, each since its own start."""
        for run in runs:
            if run.allocation_id not in self._running:
                self._begin(run)
        self._changed.set()

    async def ran(self, allocation_ids: Sequence[str]) -> Mapping[str, timedelta]:
        """Says how long each has run so far, in virtual time."""
        now = self._clock.monotonic()
        found = ((each, self._running.get(each)) for each in allocation_ids)
        return {each: self._elapsed(running, now) for each, running in found if running}

    async def stop(self, allocation_ids: Sequence[str]) -> Mapping[str, timedelta]:
        """Forgets these runs, and says how long each had run."""
        ran = await self.ran(allocation_ids)
        for allocation_id in ran:
            del self._running[allocation_id]
        if len(self._ends) > 2 * len(self._running) + _SLACK:
            self._ends = [end for end in self._ends if end[1] in self._running]
            heapq.heapify(self._ends)
        return ran

    async def finished(self) -> Sequence[FinishedRun]:
        """Waits until runs have ended and gives all of them, each once."""
        while not (ended := self.collect()):
            self._changed.clear()
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return ended

    async def output(self, workload: Workload) -> Sequence[OutputLine]:
        """Gives what the workload has written by now; nothing is kept, all of it can be told."""
        plan = course(workload.spec, workload.simulation, self._seed, self._failure_rate)
        return output_of(workload, plan, self._speed, self._clock.now())

    def collect(self) -> list[FinishedRun]:
        """Gives the runs that have ended by now, in the order of their ends, and forgets them."""
        now = self._clock.monotonic()
        ended = []
        while self._ends and self._ends[0][0] <= now:
            _, allocation_id = heapq.heappop(self._ends)
            running = self._running.pop(allocation_id, None)
            if running is not None:
                ended.append(_finished(running))
        return ended

    def _begin(self, run: Run) -> None:
        since = (self._clock.now() - run.started_at).total_seconds()
        plan = course(run.spec, run.simulation, self._seed, self._failure_rate)
        # A clock that was set back must not make the run longer.
        began = self._clock.monotonic() - max(0.0, since)
        self._running[run.allocation_id] = _Running(run, plan, began)
        end = began + plan.duration.total_seconds() / self._speed
        heapq.heappush(self._ends, (end, run.allocation_id))

    def _elapsed(self, running: _Running, now: float) -> timedelta:
        return min(running.course.duration, timedelta(seconds=now - running.began) * self._speed)

    def _until_next(self) -> float | None:
        """Seconds until the next end; None when nothing runs."""
        if not self._ends:
            return None
        return max(_AT_LEAST, self._ends[0][0] - self._clock.monotonic())


def _finished(running: _Running) -> FinishedRun:
    return FinishedRun(running.run, running.course.outcome, running.course.duration)
