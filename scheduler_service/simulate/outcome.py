"""What became of a trace, in columns beside the trace's own."""

from array import array
from collections.abc import Sequence

from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.simulate.timeline import Timeline

NEVER = -1


class Outcome:
    """One column entry for each job of the trace. All times are whole microseconds.

    Attributes:
        capacity: thousandths of all devices.
        first_starts: when each job first started; -1 for never.
        ends: when each job ended; -1 for never.
        preempted: how often each job was preempted.
        refused: jobs that can never run here, with the reason in words.
        lost: service that preempted jobs lost, in microseconds times thousandths of a device.
        decisions: starts, preemptions and refusals.
        steps: instants at which something happened.
        cpu_seconds: processor time of the whole run.
        timeline: what waited and was busy over time.
    """

    def __init__(self, jobs: int, nodes: Sequence[NodeSpec]) -> None:
        self.capacity = 1000 * sum(node.devices for node in nodes)
        self.first_starts = array("q", [NEVER]) * jobs
        self.ends = array("q", [NEVER]) * jobs
        self.preempted = array("I", [0]) * jobs
        self.refused: dict[int, str] = {}
        self.lost = 0
        self.decisions = 0
        self.steps = 0
        self.cpu_seconds = 0.0
        self.timeline = Timeline()
