"""What runs in one pool, and the accounts that are kept of it where somebody asks for them."""

from collections.abc import Iterable

from scheduler_service.domain.scheduling.durations import expected_end
from scheduler_service.domain.scheduling.ends import Ends
from scheduler_service.domain.scheduling.loads import Loads
from scheduler_service.domain.scheduling.requests import Job
from scheduler_service.domain.scheduling.runs import Runs


class Running(dict[str, Job]):
    """What runs, by id, in the order of the starts.

    Attributes:
        ends: by expected end; None where nobody asks for it.
        ended: runs that have ended so far.
    """

    __slots__ = ("_loads", "_runs", "ended", "ends")

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0
        self.ends: Ends | None = None
        self._runs: Runs | None = None
        self._loads: Loads | None = None

    def forget(self, *, ends: bool) -> None:
        """Begins all accounts anew; ``ends`` is whether anybody will ask for those."""
        self.ends = Ends() if ends else None
        self._runs = self._loads = None

    def expect(self, now: int) -> None:
        """Works out when each is expected to end."""
        if self.ends is not None:
            for job in self.values():
                self.ends.expect(job, now)

    @property
    def runs(self) -> Runs:
        """By node; account is kept of it from the first time that somebody asks."""
        if self._runs is None:
            self._runs = Runs(self.values())
        return self._runs

    @property
    def loads(self) -> Loads:
        """By the work that is left on each node, likewise."""
        if self._loads is None:
            self._loads = Loads(self.runs)
        return self._loads

    def begin(self, job: Job, since: int) -> None:
        """A job, which has its place, runs."""
        self[job.request.id] = job
        if self.ends is not None:
            self.ends.expect(job, since)
        if self._runs is not None:
            self._runs.add(job)

    def end(self, job: Job) -> None:
        """It does not any more, but still has its place."""
        del self[job.request.id]
        self.ended += 1
        if self.ends is not None:
            self.ends.remove(job)
        if self._runs is not None:
            self._runs.remove(job)

    def next_ends(self, now: int) -> Iterable[tuple[int, int, Job]]:
        """By expected end, the soonest first, each with its end and arrival."""
        if self.ends is None:
            return sorted((expected_end(run, now), run.sequence, run) for run in self.values())
        self.ends.put_off(now)
        return self.ends
