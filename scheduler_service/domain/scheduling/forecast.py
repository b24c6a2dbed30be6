"""When what waits will start: the engine itself, played forward on a copy of one pool.

The copy shares what never changes with the original and touches nothing of it. Runs end when they
are expected to; nothing new arrives. A run of which neither a duration nor a limit is known never
ends here, so that what waits for it has no predicted start: that is unknown, and said so.

Playing takes long, so it goes in steps, and what is played is a view of one moment.
"""

from dataclasses import replace
from heapq import heapify, heappop, heappush, merge
from itertools import islice
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.scheduling.assembly import rules_of
from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.durations import remaining
from scheduler_service.domain.scheduling.fits import Fit
from scheduler_service.domain.scheduling.planner import plan
from scheduler_service.domain.scheduling.pool import Out, Pool
from scheduler_service.domain.scheduling.requests import Job, Shape
from scheduler_service.domain.scheduling.steps import Steps, finished

WAITING = 2_000
"""Waiting workloads that a forecast looks at; what stands behind them is not predicted."""
ENDS = 10_000
"""Ends of runs after which a forecast gives up."""

_AT_A_TIME = 1_000
"""Runs or waiting workloads that are copied in one step."""

Fits: TypeAlias = dict[Shape, Fit]
"""Where shapes may run, as a copy of a pool has it."""
End: TypeAlias = tuple[int, int, Job, int]
"""When a run ends, with its arrival, and how many starts it had had."""


class Forecast(NamedTuple):
    """What is expected to happen.

    Attributes:
        starts: when each waiting workload starts, as far as is known.
        at_once: what the engine decides now.
    """

    starts: dict[str, int]
    at_once: list[Decision]


class View:
    """The pools as they are, each as of the moment when it is first asked for."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def of(self, pool: Pool) -> Pool:
        """A pool as it is, which stays so; it is for forecasts alone."""
        seen = self._pools.get(pool.name)
        if seen is None:
            seen = self._pools[pool.name] = finished(_copied(pool, {}))
        return seen


def forecast(
    pool: Pool, now: int, *, new: Job | None = None, late: bool = False
) -> Steps[Forecast]:
    """Plays a pool forward.

    Args:
        pool: what is looked at; nothing of it changes, and nothing may until the last step.
        now: when the play begins.
        new: one more workload, as if it arrived now, if its place is among the first ``WAITING``.
        late: with durations that nine of ten do not exceed, instead of those expected.
    """
    fits: Fits = {}
    copy = yield from _copied(pool, fits)
    if new is not None:
        copy.wait(_twin(new, copy, fits), now)
    ends = [end for job in copy.running.values() if (end := _end(job, now, late))]
    heapify(ends)
    copy.changed = True
    at_once = _plan(copy, now, late, ends)
    starts = {it.id: now for it in at_once if _lasts(copy, it)}
    for _ in range(ENDS):
        if not ends or not copy.queue.size:
            break
        yield
        at, _, job, begun = heappop(ends)
        if job.slices and job.starts == begun:
            copy.release(job, at)
            for decision in _plan(copy, at, late, ends):
                if _lasts(copy, decision):
                    starts.setdefault(decision.id, at)
    return Forecast(starts, at_once)


def _plan(copy: Pool, now: int, late: bool, ends: list[End]) -> Out:
    out: Out = []
    plan(copy, now, out)
    for decision in out:
        if _lasts(copy, decision) and (end := _end(copy.running[decision.id], now, late)):
            heappush(ends, end)
    return out


def _lasts(copy: Pool, decision: Decision) -> bool:
    """Whether something starts, and is not stopped again at once in favour of another."""
    return isinstance(decision, Start) and decision.id in copy.running


def _end(job: Job, now: int, late: bool) -> End | None:
    if job.slices and (job.expected is not None or job.request.limit is not None):
        return now + remaining(job, now, late=late), job.sequence, job, job.starts
    return None


def _copied(pool: Pool, fits: Fits) -> Steps[Pool]:
    """A pool in the same state. When is asked, not where: the first fit will do."""
    policy = replace(pool.policy, placement="first_fit")
    copy = Pool(pool.name, policy, rules_of(policy), _wait_again)
    copy.nodes = pool.nodes.copy()
    if pool.shares is not None:
        copy.shares = pool.shares.copy()
    for number, job in enumerate(pool.running.values()):
        if number % _AT_A_TIME == 0:
            yield
        twin = _twin(job, copy, fits)
        twin.slices, twin.end = job.slices, job.end
        copy.running[job.request.id] = twin
    ends = pool.running.ends
    if copy.running.ends is not None and ends is not None:
        copy.running.ends.keep(copy.running[job.request.id] for _, _, job in ends)
    groups = (group.waiting for group in pool.queue.groups.values())
    for number, (_, _, job) in enumerate(islice(merge(*groups), WAITING)):
        if number % _AT_A_TIME == 0:
            yield
        twin = _twin(job, copy, fits)
        copy.wait(twin, job.since)
        hold = pool.holds.of(job)
        if hold is not None:
            copy.holds.append(hold._replace(job=twin))
    return copy


def _twin(job: Job, pool: Pool, fits: Fits) -> Job:
    fit = fits.get(job.request.shape)
    if fit is None:
        # Whom others of the shape wait with, and whether it was found to fit nowhere, is the pool's
        # own business: what is kept with the shape must not be shared.
        fit = fits[job.request.shape] = replace(job.fit, group=None, blocked=-1)
    twin = Job(job.request, job.sequence, pool, fit)
    twin.since, twin.waited = job.since, job.waited
    twin.served, twin.starts = job.served, job.starts
    twin.expected, twin.late, twin.aged = job.expected, job.late, job.aged
    return twin


def _wait_again(job: Job, now: int, out: Out) -> None:
    job.pool.wait(job, now)


def preempted_for(decisions: list[Decision], job_id: str) -> tuple[str, ...]:
    """Whom decisions stop in favour of a workload."""
    return tuple(it.id for it in decisions if isinstance(it, Preempt) and it.preemptor == job_id)
