"""What a simulated run writes: the same lines at the same moments, whoever asks and how often."""

from datetime import datetime
from enum import StrEnum

from scheduler_service.domain.simulation import Course
from scheduler_service.domain.workload import Workload
from servicekit.values import Value

STEPS = 20


class Source(StrEnum):
    """Where a line was written."""

    STDOUT = "STDOUT"
    STDERR = "STDERR"
    PLATFORM = "PLATFORM"


class OutputLine(Value, frozen=True):
    """One line of a workload's output; ``offset`` counts them from 0."""

    offset: int
    at: datetime
    source: Source
    text: str


def output_of(
    workload: Workload, course: Course, speed: float, until: datetime
) -> list[OutputLine]:
    """All lines that were written until a moment; none before the start.

    A run tells where it is, then ``STEPS`` times how far it has come, and the platform its end.
    """
    if workload.started_at is None:
        return []
    began, length = workload.started_at, course.duration / speed
    end = min(until, workload.ended_at or until)
    moments = [(began, Source.PLATFORM, f"Started on {_nodes(workload)}.")]
    moments += [
        (began + length * step / STEPS, Source.STDOUT, f"step {step} of {STEPS}")
        for step in range(1, STEPS + 1)
    ]
    written = [moment for moment in moments if moment[0] <= end]
    if workload.ended_at and workload.ended_at <= until:
        written.append((workload.ended_at, Source.PLATFORM, _last_words(workload)))
    return [OutputLine(offset, *moment) for offset, moment in enumerate(written)]


def _nodes(workload: Workload) -> str:
    names = [part.node for part in workload.placement.slices] if workload.placement else []
    return ", ".join(names) or "no node"


def _last_words(workload: Workload) -> str:
    if workload.outcome is None:
        return f"The run was {workload.state}."
    return workload.outcome.message or f"The run has {workload.outcome.kind}."
