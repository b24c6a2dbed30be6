"""When what waits will have waited too long."""

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from scheduler_service.domain.scheduling.requests import Job

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.pool import Pool

_SLACK = 1_000


class Ageing:
    """The waiting jobs of one pool by the time at which they will have waited too long."""

    __slots__ = ("_after", "_due", "_pool")

    def __init__(self, pool: "Pool", after: int) -> None:
        """``after`` is how long a job may wait, all its waits together."""
        self._pool = pool
        self._after = after
        self._due: list[tuple[int, int, Job]] = []

    def add(self, job: Job, waiting: int) -> None:
        """A job waits from now on; ``waiting`` is how many do."""
        heappush(self._due, (self._at(job), job.sequence, job))
        if len(self._due) > 2 * waiting + _SLACK:
            self._due = [entry for entry in self._due if entry[2].group is not None]
            heapify(self._due)

    def pop(self, now: int) -> Job | None:
        """One that has waited too long by now and is told for the first time; None: no more."""
        at = self.next()
        return heappop(self._due)[2] if at is not None and at <= now else None

    def next(self) -> int | None:
        """When the next one will have waited too long."""
        due = self._due
        while due:
            at, _, job = due[0]
            waits_here = job.group is not None and job.pool is self._pool
            if waits_here and not job.aged and self._at(job) == at:
                return at
            heappop(due)
        return None

    def clear(self) -> None:
        """Nobody waits any more."""
        self._due.clear()

    def _at(self, job: Job) -> int:
        return job.since - job.waited + self._after
