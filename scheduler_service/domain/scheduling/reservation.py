"""When and where a job that does not fit will start, and what may start meanwhile (EASY).

After Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995: only the first that does not fit has a
reservation, and others may start if they are expected to end before it or leave its nodes alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

from scheduler_service.domain.scheduling.ahead import Ahead
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Shape, Slices

_TRIED = 50
_PATIENCE = 250


@dataclass(slots=True)
class Reservation:
    """What the first job that does not fit waits for.

    Attributes:
        job: who waits.
        released: the pool's count of ended runs when this was worked out.
        depth: runs that end until then.
        at: when it will be able to start, by what is expected of what runs.
        spare: of each of its nodes, the devices, cores and memory left beside it at that time.
    """

    job: Job
    released: int
    depth: int
    at: int
    slices: Slices
    spare: dict[int, tuple[int, int, int]]

    def closed_to(self, shape: Shape, bits: list[int]) -> int:
        """The nodes on which a shape would still be in the way at that time."""
        need = max(shape.devices, 1 if shape.milli else 0)
        closed = 0
        for node, (devices, cpu, memory) in self.spare.items():
            if devices < need or cpu < shape.cpu or memory < shape.memory:
                closed |= bits[node]
        return closed

    def use(self, slices: Slices, shape: Shape) -> None:
        """Takes what a job that runs longer uses off what is left."""
        for part in slices:
            if part.node in self.spare:
                devices, cpu, memory = self.spare[part.node]
                self.spare[part.node] = (
                    devices - part.devices.bit_count(),
                    cpu - shape.cpu,
                    memory - shape.memory,
                )


def reservation_of(pool: Pool, job: Job, now: int) -> Reservation | None:
    """What a job waits for, kept from step to step while that is good enough.

    Runs that end early could let it start earlier. That costs some microseconds for every run that
    has to end before, so it is looked into again only after one in ``_PATIENCE`` of them has ended.
    """
    known = pool.reservation
    if known is not None and known.job is job and now < known.at:
        ended = pool.running.ended - known.released
        if ended * _PATIENCE <= known.depth:
            return known
    pool.reservation = reserve(pool, job, now)
    return pool.reservation


def reserve(pool: Pool, job: Job, now: int) -> Reservation | None:
    """The earliest time at which a waiting job fits if nothing else starts; None: never.

    Gives back what runs, in the order of the expected ends, until the job fits, and takes it again.
    """
    group = job.group
    if group is None:
        return None
    ahead = Ahead(pool, group, pool.excluded(job), now)
    depth = ahead.first_fit()
    reservation = None
    if depth is not None:
        at, slices = ahead.turn_to(depth), ahead.find() or ()
        spare = _spare(pool, slices, group.shape)
        reservation = Reservation(job, pool.running.ended, depth, at, slices, spare)
    ahead.close()
    return reservation


class Blockers(NamedTuple):
    """The runs whose end will let a job start, the soonest first, and when they all have ended."""

    runs: tuple[str, ...] = ()
    at: int | None = None


def blockers(pool: Pool, job: Job, now: int) -> Blockers:
    """What a waiting job waits for; nothing where that is unknown."""
    reservation = reserve(pool, job, now)
    if reservation is None:
        return Blockers()
    taken = {part.node for part in reservation.slices}
    ends = {run: end for end, _, run in pool.running.next_ends(now) if end <= reservation.at}
    runs = [run for run in ends if any(part.node in taken for part in run.slices)]
    for run in reversed(runs[-_TRIED:]):
        others = [each for each in runs if each is not run]
        if others and _fits_without(pool, job, others):
            runs = others
    return Blockers(tuple(run.request.id for run in runs), reservation.at)


def _fits_without(pool: Pool, job: Job, gone: list[Job]) -> bool:
    """Whether a waiting job would fit if these running ones were gone."""
    nodes = pool.nodes
    if job.group is None:
        return False
    counts = nodes.freed, nodes.taken
    for run in gone:
        nodes.give(run.slices, run.request.shape)
    slices = pool.find(job.group, pool.excluded(job))
    for run in gone:
        nodes.take(run.slices, run.request.shape)
    nodes.freed, nodes.taken = counts
    return slices is not None


def _spare(pool: Pool, slices: Slices, shape: Shape) -> dict[int, tuple[int, int, int]]:
    nodes = pool.nodes
    return {
        part.node: (
            nodes.whole[part.node] - part.devices.bit_count(),
            nodes.cpu[part.node] - shape.cpu,
            nodes.memory[part.node] - shape.memory,
        )
        for part in slices
    }
