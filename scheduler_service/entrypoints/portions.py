"""Decisions in parts that one transaction, and one message of events, can hold."""

from collections.abc import Iterator

from scheduler_service.domain.engine import Decisions, Start

STARTS, SLICES = 500, 2_000


def portions(decisions: Decisions) -> Iterator[Decisions]:
    """Splits decisions into parts that one transaction, and one message of events, can hold."""
    starts: list[Start] = []
    slices = 0
    # What is preempted makes room for what starts, so it goes with the first.
    preemptions = decisions.preemptions
    for start in decisions.starts:
        size = len(start.placement.slices)
        if starts and (len(starts) == STARTS or slices + size > SLICES):
            yield Decisions(starts, preemptions=preemptions)
            starts, slices, preemptions = [], 0, ()
        starts.append(start)
        slices += size
    if starts or preemptions:
        yield Decisions(starts, preemptions=preemptions)
    for at in range(0, len(decisions.refusals), STARTS):
        yield Decisions(refusals=decisions.refusals[at : at + STARTS])
