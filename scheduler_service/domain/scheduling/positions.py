"""Where a waiting job stands in its pool's order."""

from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job

_LAST = float("inf")


def position(pool: Pool, job: Job, now: int) -> int:
    """A waiting job's place in the queue, from 1, by the order as it is now."""
    if job.group is None:
        return 0
    shares = pool.shares
    if shares is None or not shares.fair:
        return pool.queue.position(job)
    prefix = job.key[: pool.ranks_before_shares]
    own = shares.rank(job.group.team, job.group.user, now)
    entry, before = (job.key, job.sequence, job), 1
    for group in pool.queue.groups.values():
        rank = shares.rank(group.team, group.user, now)
        if rank == own:
            before += group.waiting.bisect_left(entry)
        else:
            border = (prefix,) if rank > own else ((*prefix, _LAST),)
            before += group.waiting.bisect_left(border)
    return before
