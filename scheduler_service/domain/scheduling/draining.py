"""Which nodes are kept, so that what has waited too long is not waited past for ever.

Without this, work that needs much at once would starve among small work that always fits (Lifka,
"The ANL/IBM SP scheduling system", JSSPP 1995, gives the first job a reservation for the same
reason). Here everything that has aged has its own nodes, not only the first: as these drain side by
side, the bound for the second is not twice that for the first.

Kept are the nodes with the least work left, all that runs on them together as far as it is
expected: the more runs there are on a node, the surer one of them takes longer than expected. They
are chosen anew when the expected time has passed, and every hour, but only for ``SETTLED``; then
the last choice stands, and what runs there can only end. So the first of all that has aged waits at
most so much longer, and then for the longest run, whatever was expected of anything.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import islice, takewhile

from scheduler_service.domain.scheduling.holds import Hold, Holds
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.queue import Entry, Group
from scheduler_service.domain.scheduling.requests import SECOND, Job

PART = 4
"""At most one node of so many is kept, but for the first job always all that it needs."""

LOOKED_AT = 32
"""At most so many jobs are looked at, so that a plan does not grow with what has aged."""

AGAIN = 3_600 * SECOND
"""How long a choice of nodes stands."""

GRAIN = 600 * SECOND
"""Choices end at multiples of this, so that those which are made anew are made together."""

SETTLED = 86_400 * SECOND
"""How long nodes are chosen anew for one job."""


def hold_nodes(pool: Pool, now: int) -> None:
    """Brings up to date what is kept for whom."""
    if not pool.aged_waiting and not pool.holds:
        return
    before, pool.holds = pool.holds, Holds()
    room = pool.nodes.open.bit_count() // PART
    for job in islice(_aged(pool), LOOKED_AT):
        hold = _hold(pool, job, before.of(job), now)
        if hold is None:
            continue
        room -= hold.nodes.bit_count()
        if pool.holds and room < 0:
            break
        pool.holds.append(hold)
    if [hold[:2] for hold in before] != [hold[:2] for hold in pool.holds]:
        # Something may be kept from fewer now, be it the same nodes for somebody of a lower class.
        pool.nodes.freed += 1


def _hold(pool: Pool, job: Job, before: Hold | None, now: int) -> Hold | None:
    """What is kept for a job that does not fit now; None if it fits, or never will."""
    group = job.group
    if group is None:
        return None
    since = before.since if before else now
    stands = before is not None and (before.until > now or now - since >= SETTLED)
    if before is not None and stands and not before.nodes & pool.holds.nodes:
        return before
    if pool.find(group, pool.excluded(job)) is not None:
        return None
    chosen = _choose(pool, job, group, now)
    if not chosen:
        return None
    nodes = 0
    for node in chosen:
        nodes |= pool.nodes.bit[node]
    until = now + min(AGAIN, pool.running.loads.longest(chosen, now))
    return Hold(job, nodes, since, -(-until // GRAIN) * GRAIN)


def _choose(pool: Pool, job: Job, group: Group, now: int) -> list[int]:
    """The nodes on which a job fits once what runs there has ended, the soonest done; or none."""
    nodes = pool.nodes
    counts = nodes.freed, nodes.taken
    closed = pool.excluded(job)
    usable = group.fit.usable & nodes.open & ~closed
    gone: dict[str, Job] = {}
    chosen: list[int] = []
    for node in pool.running.loads.nodes(now):
        if usable & nodes.bit[node]:
            for run in pool.running.loads.on(node):
                if run.request.id not in gone:
                    gone[run.request.id] = run
                    nodes.give(run.slices, run.request.shape)
            slices = pool.find(group, closed)
            if slices is not None:
                chosen = [part.node for part in slices]
                break
    for run in gone.values():
        nodes.take(run.slices, run.request.shape)
    nodes.freed, nodes.taken = counts
    return chosen


def _aged(pool: Pool) -> Iterator[Job]:
    """What has waited too long and needs nodes of its own, in the order of the turns."""
    heads = [group for group in pool.queue.groups.values() if _needs_nodes(pool, group)]
    for _, _, job in merge(*(_aged_of(group) for group in heads)):
        yield job


def _needs_nodes(pool: Pool, group: Group) -> bool:
    """Whether a group begins with what has aged and neither its team nor others hold it up.

    Whatever asks for one device and nothing else takes the next that comes free, as it goes first.
    """
    shape, shares = group.shape, pool.shares
    if not group.waiting[0][2].aged:
        return False
    if shape.nodes == 1 and shape.devices == 1 and not shape.cpu and not shape.memory:
        return False
    return shares is None or shares.over(group.team, shape) <= 0


def _aged_of(group: Group) -> Iterator[Entry]:
    return takewhile(lambda entry: entry[2].aged, group.waiting)
