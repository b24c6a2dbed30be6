"""What runs on which node, for policies that look at it: those that age, and those that preempt."""

from collections.abc import Iterable, Mapping

from scheduler_service.domain.scheduling.requests import Job

_SLACK = 1_000
_NONE: Mapping[int, Job] = {}


class Runs:
    """The runs of one pool by node, and who wants to know what changes about them."""

    __slots__ = ("_changed", "_count", "_on", "_started")

    def __init__(self, running: Iterable[Job]) -> None:
        self._on: dict[int, dict[int, Job]] = {}
        self._count = 0
        self._changed: list[set[int]] = []
        self._started: list[list[Job]] = []
        for job in running:
            self.add(job)

    def add(self, job: Job) -> None:
        """A run has started."""
        on, changed = self._on, self._changed
        self._count += 1
        for part in job.slices:
            node = part[0]
            there = on.get(node)
            if there is None:
                on[node] = {job.sequence: job}
            else:
                there[job.sequence] = job
            for told in changed:
                told.add(node)
        for started in self._started:
            started.append(job)
            if len(started) > 2 * self._count + _SLACK:
                started[:] = dict.fromkeys(run for run in started if run.slices)

    def remove(self, job: Job) -> None:
        """It has ended; what it held is still told by ``slices``."""
        on, changed = self._on, self._changed
        self._count -= 1
        for part in job.slices:
            node = part[0]
            there = on[node]
            del there[job.sequence]
            if not there:
                del on[node]
            for told in changed:
                told.add(node)

    def on(self, node: int) -> Iterable[Job]:
        """What runs on a node, in the order of the starts."""
        return self._on.get(node, _NONE).values()

    def watch(self) -> set[int]:
        """A set to which every node is added on which a run starts or ends.

        It begins with all nodes on which something runs; whoever watches empties it.
        """
        changed = set(self._on)
        self._changed.append(changed)
        return changed

    def follow(self) -> list[Job]:
        """A list to which every run is added that starts; whoever follows empties it.

        It begins with all that runs. What ends before anybody looks may be missing.
        """
        started = self._all()
        self._started.append(started)
        return started

    def _all(self) -> list[Job]:
        return list(dict.fromkeys(job for there in self._on.values() for job in there.values()))
