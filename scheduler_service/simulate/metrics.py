"""Figures of a run, and what each of them means."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.outcome import NEVER, Outcome
from scheduler_service.simulate.trace.trace import Trace

SHORTEST = 10 * SECOND
"""Bound of the bounded slowdown: shorter jobs count as if they ran so long."""

MILLI_GPU_HOUR = 3600 * SECOND * 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and quantiles of one quantity over all jobs that ended; NaN when there are none.

    A quantile is the smallest value that the stated part of the jobs does not exceed.
    """

    mean: float
    p50: float
    p99: float
    p999: float
    longest: float

    @classmethod
    def of(cls, values: Iterable[float], unit: float = SECOND) -> "Spread":
        """The spread of values, divided by a unit."""
        ordered = sorted(values)
        if not ordered:
            return cls(*[math.nan] * len(fields(cls)))
        quantiles = [quantile(ordered, part) / unit for part in (0.5, 0.99, 0.999, 1.0)]
        return cls(math.fsum(ordered) / len(ordered) / unit, *quantiles)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of a run. Jobs that did not end count in no spread.

    Attributes:
        jobs: jobs of the trace.
        ended: jobs that ran to their end.
        refused: jobs that can never run on this inventory.
        queue: seconds from the submission of a job to its first start.
        wait: seconds in which a job did not progress: JCT minus the service that it needs. With
            preemption this is more than ``queue``, without it is the same.
        jct: job completion time, seconds from the submission to the end.
        slowdown: bounded slowdown, JCT by service, both at least 10 s; 1 is the best.
        makespan_s: seconds from the first submission to the last end.
        utilisation: part of all devices, times the makespan, that was held.
        goodput: the same for the service of the jobs that ended; what preemption lost is not in it.
        preemptions: how often a job was stopped for another.
        preempted_jobs: jobs to which that happened.
        lost_gpu_hours: service that was lost by it.
        fairness: Jain's index over the satisfaction of teams, or of users where there are no
            teams: 1 when all are the same, 1/n when one of n has everything. The satisfaction of
            a team is the service of its jobs by their JCT, both weighted with their devices: how
            much of the time that it wanted devices it had them.
        decisions: starts, preemptions and refusals.
        steps: instants at which something happened.
        decisions_per_s: decisions by seconds of processor time of the whole run, the keeping of
            these figures included.
    """

    jobs: int
    ended: int
    refused: int
    queue: Spread
    wait: Spread
    jct: Spread
    slowdown: Spread
    makespan_s: float
    utilisation: float
    goodput: float
    preemptions: int
    preempted_jobs: int
    lost_gpu_hours: float
    fairness: float
    decisions: int
    steps: int
    decisions_per_s: float


def measure(trace: Trace, outcome: Outcome) -> Figures:
    """Works out the figures of a run."""
    ended = [job for job, end in enumerate(outcome.ends) if end != NEVER]
    submits, durations, ends = trace.submits, trace.durations, outcome.ends
    first, last = min(submits, default=0), max(ends, default=0)
    room = outcome.capacity * max(last - first, 1)
    jcts = [ends[job] - submits[job] for job in ended]
    return Figures(
        jobs=len(trace),
        ended=len(ended),
        refused=len(outcome.refused),
        queue=Spread.of(outcome.first_starts[job] - submits[job] for job in ended),
        wait=Spread.of(jct - durations[job] for job, jct in zip(ended, jcts, strict=True)),
        jct=Spread.of(jcts),
        slowdown=Spread.of(
            (slowdown(jct, durations[job]) for job, jct in zip(ended, jcts, strict=True)), unit=1
        ),
        makespan_s=(last - first) / SECOND,
        utilisation=math.fsum(outcome.timeline.busy) / max(room, 1),
        goodput=sum(trace.service(job) for job in ended) / max(room, 1),
        preemptions=sum(outcome.preempted),
        preempted_jobs=sum(map(bool, outcome.preempted)),
        lost_gpu_hours=outcome.lost / MILLI_GPU_HOUR,
        fairness=jain(satisfaction(trace, outcome).values()),
        decisions=outcome.decisions,
        steps=outcome.steps,
        decisions_per_s=outcome.decisions / max(outcome.cpu_seconds, 1e-9),
    )


def slowdown(jct: int, duration: int) -> float:
    """Bounded slowdown of one job (Feitelson et al., JSSPP'97, section 4.3)."""
    return max(jct, SHORTEST) / max(duration, SHORTEST)


def satisfaction(trace: Trace, outcome: Outcome) -> dict[str, float]:
    """Of each team, or of each user where there are no teams, the part of its wanted time it had.

    Between 0 and 1: service by JCT, both weighted with devices, over its jobs that ended.
    """
    had: dict[str, int] = {}
    wanted: dict[str, int] = {}
    by_team = any(traits.team for traits in trace.traits)
    for job, end in enumerate(outcome.ends):
        if end != NEVER:
            traits = trace.traits[trace.traits_of[job]]
            whose = traits.team if by_team else traits.user
            milli = trace.shapes[trace.shape_of[job]].total_milli
            had[whose] = had.get(whose, 0) + trace.durations[job] * milli
            wanted[whose] = wanted.get(whose, 0) + (end - trace.submits[job]) * milli
    return {whose: had[whose] / wanted[whose] for whose in had if wanted[whose]}


def queue_by_team(trace: Trace, outcome: Outcome) -> dict[str, Spread]:
    """Seconds from submission to first start, team by team."""
    waits: dict[str, list[int]] = {}
    for job, end in enumerate(outcome.ends):
        if end != NEVER:
            team = trace.traits[trace.traits_of[job]].team
            waits.setdefault(team, []).append(outcome.first_starts[job] - trace.submits[job])
    return {team: Spread.of(waits[team]) for team in sorted(waits)}


def jain(values: Iterable[float]) -> float:
    """Jain's fairness index (Jain et al., DEC-TR-301, 1984); NaN of nothing or of zeros."""
    shares = list(values)
    squares = math.fsum(share * share for share in shares)
    return math.fsum(shares) ** 2 / (len(shares) * squares) if squares else math.nan


def quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest of some ascending values that ``part`` of them do not exceed."""
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]
