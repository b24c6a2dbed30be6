"""How much work is left on each node."""

from collections.abc import Iterable, Iterator

from scheduler_service.domain.scheduling.durations import remaining, remaining_line
from scheduler_service.domain.scheduling.lines import Line, NodeValues, Value, sooner
from scheduler_service.domain.scheduling.requests import Job
from scheduler_service.domain.scheduling.runs import Runs


class Loads:
    """The nodes of a pool on which something runs, by what is left of all that runs there."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._values = NodeValues(runs.watch(), self._assess)

    def nodes(self, now: int) -> Iterator[int]:
        """Nodes where something runs, the least work left first, then the lowest."""
        self._values.update(now)
        return self._values.in_order(now)

    def on(self, node: int) -> Iterable[Job]:
        """What runs on a node."""
        return self._runs.on(node)

    def longest(self, nodes: Iterable[int], now: int) -> int:
        """How long the last run on some nodes is expected to go on."""
        runs = (run for node in nodes for run in self._runs.on(node))
        return max((remaining(run, now) for run in runs), default=0)

    def _assess(self, node: int, now: int) -> Value:
        slope = start = runs = 0
        until: int | None = None
        for run in self._runs.on(node):
            line = remaining_line(run, now)
            slope += line.slope
            start += line.start
            until = sooner(until, line.until)
            runs += 1
        return Value(Line(slope, start) if runs else None, until)
