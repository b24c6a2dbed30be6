"""Traces that are nearly the same, to tell a rule's merit from luck.

A queue that is loaded to its limit is chaotic: one job more or less moves the mean by ten percent.
A figure of one trace therefore stands beside those of traces without every thirtieth job or so,
others each time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from random import Random

from scheduler_service.simulate.trace.trace import Trace

LEFT_OUT = 0.03


def variants(trace: Trace, count: int) -> Iterator[Trace]:
    """Traces without some of the jobs, chosen by the seeds 1, 2, ..."""
    for seed in range(1, count + 1):
        chance = Random(seed)
        kept = [job for job in range(len(trace)) if chance.random() >= LEFT_OUT]
        yield trace.pick(kept, array("q", [trace.submits[job] for job in kept])).settled()
