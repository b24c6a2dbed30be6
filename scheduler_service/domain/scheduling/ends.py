"""When what runs is expected to end, in order."""

from collections.abc import Iterable, Iterator

from sortedcontainers import SortedList

from scheduler_service.domain.scheduling.durations import expected_end
from scheduler_service.domain.scheduling.requests import Job


class Ends:
    """The expected ends of the runs of one pool, the soonest first, each with arrival and run."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: SortedList = SortedList()

    def __iter__(self) -> Iterator[tuple[int, int, Job]]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def expect(self, job: Job, now: int) -> None:
        """Works out when a run is expected to end."""
        job.end = expected_end(job, now)
        self._entries.add((job.end, job.sequence, job))

    def keep(self, jobs: Iterable[Job]) -> None:
        """Takes in runs whose ends have been worked out; costs least in the order of these."""
        self._entries.update((job.end, job.sequence, job) for job in jobs)

    def remove(self, job: Job) -> None:
        """A run has ended."""
        self._entries.remove((job.end, job.sequence, job))

    def put_off(self, now: int) -> None:
        """Expects later ends of what runs longer than expected."""
        entries = self._entries
        if entries and entries[0][0] <= now:
            # All at once: after a pause most of what runs may be overdue.
            overdue = entries.bisect_left((now + 1,))
            jobs = [job for _, _, job in entries[:overdue]]
            del entries[:overdue]
            for job in jobs:
                job.end = expected_end(job, now)
            self.keep(jobs)
