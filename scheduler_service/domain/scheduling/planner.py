"""One pool's plan: what starts now, in the policy's order."""

from scheduler_service.domain.scheduling.policy import HeadRule
from scheduler_service.domain.scheduling.pool import Out, Pool


def plan(pool: Pool, now: int, out: Out) -> None:
    """Starts what can start; costs what changed, not what waits."""
    heads, nodes = pool.queue.heads, pool.nodes
    blocking = pool.policy.head is HeadRule.BLOCK
    at = 0
    while at < len(heads):
        job = heads[at][2]
        group = job.group
        if group is None:
            raise AssertionError("what waits has a group")
        slices = None if group.blocked == nodes.freed else pool.find(group)
        if slices is not None:
            out.append(pool.start(job, slices, now))
            continue
        group.blocked = nodes.freed
        if blocking:
            break
        at += 1
    pool.changed = False
