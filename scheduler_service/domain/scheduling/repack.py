"""Everything ordered and placed anew at every step, from empty nodes.

As Muri's simulator does for SRTF and SRSF (Zhao et al., SIGCOMM 2022): at every submission and end
what runs and what waits is sorted together, and whatever fits is placed in that order. Every run
begins again by that and pays for it, wherever it lands.

The price is the policy's ``preemption.cost``, or the seconds that ``preemption.options`` states for
runs of a name and a number of devices, as ``("vgg16 x 8", 9.0)``. A run loses at most what it did
since the step before.
"""

from functools import cache

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.decisions import Preempt, PreemptionRule
from scheduler_service.domain.scheduling.policy import PreemptionRules
from scheduler_service.domain.scheduling.pool import Out, Pool
from scheduler_service.domain.scheduling.requests import SECOND, Job, Request


def stop_all(pool: Pool, now: int) -> list[tuple[Job, int]]:
    """Puts all that runs back into the queue; returns it with the service that each has lost."""
    rules = pool.policy.preemption
    stopped = []
    for job in list(pool.running.values()):
        ran = now - job.since
        lost = min(ran, restart_cost(job.request, rules))
        pool.release(job, now)
        job.served += ran - lost
        job.since = now
        pool.wait(job, now)
        stopped.append((job, lost))
    return stopped


def tell_stopped(stopped: list[tuple[Job, int]], out: Out) -> None:
    """Tells of those that did not start again; a start of what runs is a new start of it."""
    for job, lost in stopped:
        if job.group is not None:
            milli = job.request.shape.total_milli
            rule = PreemptionRule.ORDER
            out.append(Preempt(job.request.id, "", rule, job.served, lost * milli))


def restart_cost(request: Request, rules: PreemptionRules) -> int:
    """Service that a run of this kind loses when it is placed anew, in microseconds."""
    if not rules.options:
        return rules.cost
    devices = request.shape.total_milli // WHOLE
    return _costs(rules.options).get(f"{request.name} x {devices}", rules.cost)


@cache
def _costs(options: tuple[tuple[str, float], ...]) -> dict[str, int]:
    return {name: round(seconds * SECOND) for name, seconds in options}
