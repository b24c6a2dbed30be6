"""When runs come to the end of the time that they are guaranteed, sort by sort."""

from collections.abc import Callable, Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, TypeVar

from scheduler_service.domain.scheduling.lines import sooner
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job

S = TypeVar("S", bound=Hashable)

_SLACK = 1_000


class _Entry(NamedTuple):
    """A run, and when it may be stopped; it counts for one of its starts."""

    at: int
    sequence: int
    starts: int
    run: Job

    @property
    def lasts(self) -> bool:
        """Whether that run goes on."""
        return bool(self.run.slices) and self.run.starts == self.starts


class Guaranteed(Generic[S]):
    """The runs of one pool that may not be stopped yet, by the time at which they may be."""

    def __init__(self, pool: Pool, sort: Callable[[Job], S | None]) -> None:
        """``sort`` tells runs of which one wants to know apart; None: of no interest."""
        self._pool = pool
        self._sort = sort
        self._started = pool.running.runs.follow()
        self._due: dict[S, list[_Entry]] = {}

    def __len__(self) -> int:
        """The room that they take, in entries: more than there are runs, but never much more."""
        return sum(map(len, self._due.values()))

    def next(self, now: int, wanted: Callable[[S], bool]) -> int | None:
        """When the next run of the wanted sorts may be stopped that may not be now; None: never."""
        self._take_in(now)
        found = None
        for sort in list(self._due):
            if wanted(sort):
                found = sooner(found, self._next_of(sort, now))
        return found

    def _take_in(self, now: int) -> None:
        for run in self._started:
            if run.slices and (sort := self._sort(run)) is not None:
                self._add(sort, run, now)
        self._started.clear()
        if len(self) > 2 * len(self._pool.running) + _SLACK:
            self._forget_ended()

    def _add(self, sort: S, run: Job, now: int) -> None:
        at = self._pool.stoppable_at(run, now)
        if at is not None and at > now:
            heappush(self._due.setdefault(sort, []), _Entry(at, run.sequence, run.starts, run))

    def _forget_ended(self) -> None:
        """What has ended is come across when its sort is asked for, but some sorts never are."""
        for sort, due in list(self._due.items()):
            due[:] = dict.fromkeys(entry for entry in due if entry.lasts)
            heapify(due)
            if not due:
                del self._due[sort]

    def _next_of(self, sort: S, now: int) -> int | None:
        due = self._due[sort]
        while due:
            if due[0].at > now and due[0].lasts:
                return due[0].at
            entry = heappop(due)
            if entry.lasts:
                self._add(sort, entry.run, now)
        del self._due[sort]
        return None


def past_guarantee(pool: Pool, runs: Iterable[Job], now: int) -> tuple[list[Job], int | None]:
    """Those of some runs that may be stopped now, and when the next of the others may be."""
    found, until = [], None
    for run in runs:
        at = pool.stoppable_at(run, now)
        if at is not None:
            if at <= now:
                found.append(run)
            elif until is None or at < until:
                until = at
    return found, until
