"""What an engine remembers of runs that are over, and comes by again when it is rebuilt.

While it works it takes note of the service that preempted work keeps; decayed use, preemptions and
durations are with whom they matter to. All of that is lost with the process, so a rebuilt engine is
told the starts and ends of runs in order of time, and each is booked where it would have been.
"""

from collections import OrderedDict
from typing import NamedTuple

from scheduler_service.domain.scheduling.events import Began, End, Ended
from scheduler_service.domain.scheduling.expectations import Expectations
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Request

KEPT = 10_000
"""Preempted jobs whose service is kept; the one that was preempted longest ago is forgotten."""


class _Run(NamedTuple):
    """A run that was told and has not ended; ``pool`` is None if it is no longer there."""

    request: Request
    pool: Pool | None
    since: int
    served: int


class Memory:
    """The service that preempted work keeps for its next attempt, and runs whose end is to come."""

    def __init__(self, expectations: Expectations) -> None:
        self._expectations = expectations
        self._served: OrderedDict[str, int] = OrderedDict()
        self._told: dict[str, _Run] = {}

    def keep(self, request: Request, served: int) -> None:
        """Keeps the service of a preempted run for the job's next one."""
        job = request.job or request.id
        self._served[job] = served
        self._served.move_to_end(job)
        if len(self._served) > KEPT:
            self._served.popitem(last=False)

    def resumed(self, request: Request) -> int:
        """The service that a run begins with, which is its now."""
        return self._served.pop(request.job or request.id, 0) if self._served else 0

    def begin(self, told: Began, pool: Pool | None) -> None:
        """A run had begun."""
        request = told.request
        if pool is not None and pool.shares is not None:
            pool.shares.take(request, told.at)
        self._told[request.id] = _Run(request, pool, told.at, self.resumed(request))

    def goes_on(self, request: Request) -> int | None:
        """The service that a run began with whose start was told; None if it was not."""
        run = self._told.pop(request.id, None)
        return None if run is None else run.served

    def end(self, told: Ended) -> None:
        """It had ended."""
        run = self._told.pop(told.id, None)
        if run is None:
            return
        request, pool, ran = run.request, run.pool, told.at - run.since
        if pool is not None and pool.shares is not None:
            pool.shares.give(request, told.at)
        if told.end is End.BY_ITSELF:
            self._expectations.learn(request, run.served + ran, told.at)
        elif told.end is End.STOPPED and pool is not None:
            pool.stops.note(request, told.at)
            self.keep(request, run.served + ran - min(ran, pool.policy.preemption.cost))
        elif told.end is End.LOST:
            self.keep(request, run.served)
