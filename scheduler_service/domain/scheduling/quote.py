"""What would become of a workload if it were submitted now; nothing changes by asking."""

import enum
from dataclasses import dataclass

from scheduler_service.domain.scheduling.decisions import Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.explain import (
    Explanation,
    ReasonKind,
    foreseen,
    reason_now,
)
from scheduler_service.domain.scheduling.fits import NoFit
from scheduler_service.domain.scheduling.forecast import (
    WAITING,
    Forecast,
    View,
    forecast,
    preempted_for,
)
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Request, Slices
from scheduler_service.domain.scheduling.steps import Steps

BRIEF = 500
"""Waiting workloads beyond which the start of other ways to run something is not foreseen."""


class Verdict(enum.StrEnum):
    """What would become of a workload."""

    STARTS_NOW = "starts_now"
    WAITS = "waits"
    NEVER_FITS = "never_fits"


@dataclass(frozen=True, slots=True)
class Quote:
    """What a workload can expect.

    Attributes:
        p50: start that is kept with a probability of one half; None means unknown. So does ``p90``.
        slices: where it would run; empty when that is not known.
        preempted: workloads that would be stopped in its favour.
        delayed: workloads that would wait longer, and by how long at most.
        explanation: why it would wait or never fit; None when it would start at once.
    """

    verdict: Verdict
    pool: str = ""
    p50: int | None = None
    p90: int | None = None
    slices: Slices = ()
    preempted: tuple[str, ...] = ()
    delayed: int = 0
    longest_delay: int = 0
    explanation: Explanation | None = None


def quote(engine: Engine, view: View, request: Request, now: int) -> Steps[Quote]:
    """Quotes a workload as if it arrived now, or one that waits as it stands."""
    known = engine.jobs.get(request.id)
    if known is not None:
        return (yield from _quote_known(known, view, now))
    fit = engine.fit(request.shape)
    if isinstance(fit, NoFit):
        kind = ReasonKind[fit.reason.name]
        explanation = Explanation(request.id, kind, fit.message, constraint=str(fit.reason))
        return Quote(Verdict.NEVER_FITS, explanation=explanation)
    job = engine.tentative(request, fit, now)
    return (yield from _quoted(job, view.of(job.pool), now, new=job))


def start_of(engine: Engine, view: View, request: Request, now: int) -> Steps[Quote]:
    """Only where and when a new workload would start; where much waits already, only where.

    Many of these may be asked for at once, and foreseeing takes the longer the more waits.
    """
    fit = engine.fit(request.shape)
    if isinstance(fit, NoFit):
        return Quote(Verdict.NEVER_FITS)
    job = engine.tentative(request, fit, now)
    if job.pool.queue.size > BRIEF:
        return Quote(Verdict.WAITS, job.pool.name)
    soon = yield from forecast(view.of(job.pool), now, new=job)
    start = soon.starts.get(request.id)
    return Quote(Verdict.STARTS_NOW if start == now else Verdict.WAITS, job.pool.name, start)


def _quote_known(job: Job, view: View, now: int) -> Steps[Quote]:
    if job.group is None:
        return Quote(Verdict.STARTS_NOW, job.pool.name, job.since, job.since, job.slices)
    return (yield from _quoted(job, view.of(job.pool), now, new=None))


def _quoted(job: Job, seen: Pool, now: int, new: Job | None) -> Steps[Quote]:
    job_id = job.request.id
    # What is said of the pool as it is comes first: it may change from step to step.
    reason, place = reason_now(job, now), _place(job)
    if reason.position > WAITING:
        # The view ends before its place, and would let it wait for too few.
        new = None
    without = None if new is None else (yield from forecast(seen, now))
    soon = yield from forecast(seen, now, new=new)
    late = yield from forecast(seen, now, new=new, late=True)
    starts_now = soon.starts.get(job_id) == now
    delays = [] if without is None else _delays(without, soon)
    start_soon, start_late = soon.starts.get(job_id), late.starts.get(job_id)
    return Quote(
        Verdict.STARTS_NOW if starts_now else Verdict.WAITS,
        seen.name,
        start_soon,
        None if start_soon is None or start_late is None else max(start_soon, start_late),
        (place or _place_foreseen(job_id, soon)) if starts_now else (),
        preempted_for(soon.at_once, job_id),
        len(delays),
        max(delays, default=0),
        None if starts_now else foreseen(reason, soon, late),
    )


def _place(job: Job) -> Slices | None:
    """Where the policy would put a job now."""
    return None if job.group is None else job.pool.find(job.group, job.pool.excluded(job))


def _place_foreseen(job_id: str, soon: Forecast) -> Slices:
    """Where a forecast puts it at once: room is made for it first."""
    return next(it.slices for it in soon.at_once if isinstance(it, Start) and it.id == job_id)


def _delays(without: Forecast, soon: Forecast) -> list[int]:
    """By how long others start later; what has no predicted start in one of them is left out."""
    later = (soon.starts[each] - at for each, at in without.starts.items() if each in soon.starts)
    return [delay for delay in later if delay > 0]
