"""Everything ordered and placed anew at every step, from empty nodes.

As Muri's simulator does for SRTF and SRSF (Zhao et al., SIGCOMM 2022): what runs and what waits is
sorted together, whatever fits is placed in that order, and every run begins again and pays for it.
"""

from scheduler_service.domain.scheduling.decisions import Preempt, PreemptionRule
from scheduler_service.domain.scheduling.pool import Out, Pool


def repack(pool: Pool, now: int, out: Out) -> None:
    """Stops all, and starts in order what fits; ``Start`` of what runs already is a new start."""
    ran = list(pool.running.values())
    cost = pool.policy.preemption.cost
    for job in ran:
        pool.release(job, now)
        job.served += now - job.since - cost
        job.since = now
        pool.wait(job, now)
    waiting = sorted(pool.queue.jobs(), key=lambda job: (job.key, job.sequence))
    for job in waiting:
        slices = pool.find(job.group) if job.group is not None else None
        if slices is not None:
            out.append(pool.start(job, slices, now))
    for job in ran:
        if job.group is not None:
            out.append(Preempt(job.request.id, "", PreemptionRule.ORDER, job.served, 0))
