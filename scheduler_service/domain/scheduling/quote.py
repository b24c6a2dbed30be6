"""What would become of a workload if it were submitted now; nothing changes by asking."""

import enum
from dataclasses import dataclass

from scheduler_service.domain.scheduling.decisions import Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.explain import Explanation, ReasonKind, explain_new
from scheduler_service.domain.scheduling.fits import NoFit
from scheduler_service.domain.scheduling.forecast import Forecast, forecast, preempted_for
from scheduler_service.domain.scheduling.requests import Job, Request, Slices

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


def quote(engine: Engine, request: Request, now: int) -> Quote:
    """Quotes a workload as if it arrived now, or one that waits as it stands."""
    known = engine.jobs.get(request.id)
    if known is not None:
        return _quote_known(known, now)
    fit = engine.fit(request.shape)
    if isinstance(fit, NoFit):
        kind = ReasonKind[fit.reason.name]
        explanation = Explanation(request.id, kind, fit.message, constraint=str(fit.reason))
        return Quote(Verdict.NEVER_FITS, explanation=explanation)
    job = engine.tentative(request, fit, now)
    return _quoted(job, now, forecast(job.pool, now), new=job)


def start_of(engine: Engine, request: Request, now: int) -> Quote:
    """Only where and when a new workload would start; where much waits already, only where.

    Many of these may be asked for at once, and foreseeing takes the longer the more waits.
    """
    fit = engine.fit(request.shape)
    if isinstance(fit, NoFit):
        return Quote(Verdict.NEVER_FITS)
    job = engine.tentative(request, fit, now)
    if job.pool.queue.size > BRIEF:
        return Quote(Verdict.WAITS, job.pool.name)
    start = forecast(job.pool, now, new=job).starts.get(request.id)
    return Quote(Verdict.STARTS_NOW if start == now else Verdict.WAITS, job.pool.name, start)


def _quote_known(job: Job, now: int) -> Quote:
    if job.group is None:
        return Quote(Verdict.STARTS_NOW, job.pool.name, job.since, job.since, job.slices)
    return _quoted(job, now, None, new=None)


def _quoted(job: Job, now: int, without: Forecast | None, new: Job | None) -> Quote:
    pool, job_id = job.pool, job.request.id
    soon = forecast(pool, now, new=new)
    late = forecast(pool, now, new=new, late=True)
    at_once = soon.starts.get(job_id) == now
    delays = _delays(without, soon) if without is not None else []
    start_soon, start_late = soon.starts.get(job_id), late.starts.get(job_id)
    return Quote(
        Verdict.STARTS_NOW if at_once else Verdict.WAITS,
        pool.name,
        start_soon,
        None if start_soon is None or start_late is None else max(start_soon, start_late),
        _where(job, soon) if at_once else (),
        preempted_for(soon.at_once, job_id),
        len(delays),
        max(delays, default=0),
        None if at_once else explain_new(job, now, soon, late),
    )


def _where(job: Job, soon: Forecast) -> Slices:
    """Where the policy would put it now or, where room is made first, where the forecast does."""
    pool = job.pool
    slices = pool.find(job.group, pool.excluded(job)) if job.group is not None else None
    if slices is not None:
        return slices
    starts = (it for it in soon.at_once if isinstance(it, Start) and it.id == job.request.id)
    return next(starts).slices


def _delays(without: Forecast, soon: Forecast) -> list[int]:
    """By how long others start later; what has no predicted start in one of them is left out."""
    later = (soon.starts[each] - at for each, at in without.starts.items() if each in soon.starts)
    return [delay for delay in later if delay > 0]
