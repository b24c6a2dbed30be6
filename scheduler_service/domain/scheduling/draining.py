"""Which nodes are kept, so that what has waited too long is not waited past for ever.

Without this, work that needs much at once would starve among small work that always fits (Lifka,
"The ANL/IBM SP scheduling system", JSSPP 1995, gives the first job a reservation for the same
reason). Here everything that has aged has its own nodes, not only the first: as these drain side by
side, the bound for the second is not twice that for the first. They are chosen by when what runs
there is expected to end, and anew when that time has passed, as an expectation may be wrong; the
last choice stands, so that whatever runs there can only end. What is first of all that has aged is
kept waiting by nobody but what runs: for ``CHOICES`` times the longest run at most, whatever was
expected of it.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import takewhile

from scheduler_service.domain.scheduling.holds import Hold, Holds
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.queue import Entry, Group
from scheduler_service.domain.scheduling.requests import Job
from scheduler_service.domain.scheduling.reservation import reserve

PART = 4
"""At most one node of so many is kept, but for the first job always all that it needs."""

CHOICES = 4
"""How often nodes are chosen for one job."""


def hold_nodes(pool: Pool, now: int) -> None:
    """Brings up to date what is kept for whom."""
    if not pool.aged_waiting and not pool.holds:
        return
    before, pool.holds = pool.holds, Holds()
    room = pool.nodes.open.bit_count() // PART
    for job in _aged(pool):
        hold = _hold(pool, job, before.of(job), now)
        if hold is None:
            continue
        room -= hold.nodes.bit_count()
        if pool.holds and room < 0:
            break
        pool.holds.append(hold)
    if before.nodes & ~pool.holds.nodes:
        pool.nodes.freed += 1


def _hold(pool: Pool, job: Job, before: Hold | None, now: int) -> Hold | None:
    """What is kept for a job that does not fit now; None if it fits, or never will."""
    group, shares = job.group, pool.shares
    if group is None or (shares is not None and shares.over(group.team, group.shape) > 0):
        return None
    taken = pool.holds.nodes
    choices = 1
    if before is not None and not before.nodes & taken:
        if before.until > now or before.choices == CHOICES:
            return before
        choices = before.choices + 1
    if pool.find(group, taken) is not None:
        return None
    reservation = reserve(pool, job, now)
    if reservation is None:
        return None
    nodes = 0
    for part in reservation.slices:
        nodes |= pool.nodes.bit[part.node]
    return Hold(job, nodes, reservation.at, choices)


def _aged(pool: Pool) -> Iterator[Job]:
    """What has waited too long, in the order of the turns."""
    heads = [group for group in pool.queue.groups.values() if group.waiting[0][2].aged]
    for _, _, job in merge(*(_aged_of(group) for group in heads)):
        yield job


def _aged_of(group: Group) -> Iterator[Entry]:
    return takewhile(lambda entry: entry[2].aged, group.waiting)
