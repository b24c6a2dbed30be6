"""The cheapest room for a job: which runs to stop so that the least work is lost."""

from collections.abc import Iterable
from typing import Any

from scheduler_service.domain.preemption.offers import Offers, price_line
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Slices


def cheapest_room(pool: Pool, job: Job, offers: Offers[Any], now: int) -> list[Job]:
    """Whom to stop so that a job fits, with the least work lost; empty if nothing suffices.

    Takes the nodes on which the least is lost, for a job that may be split the least for each
    device, then lets go whom it does not need after all, the dearest first. Equal prices: the
    lowest node, the latest arrival.
    """
    if hopeless(pool, job, offers, now):
        return []
    shape, usable = job.request.shape, _usable(pool, job)
    trial = _Trial(pool, job)
    for offer in offers.in_order(now, usable):
        if not shape.split and shape.nodes == 1:
            trial.take_back()
        if trial.stop(offer.runs) and trial.find() is not None:
            trial.spare(now)
            break
    else:
        trial.take_back()
    return trial.close()


def hopeless(pool: Pool, job: Job, offers: Offers[Any], now: int) -> bool:
    """Whether even all offers together are not enough; True is certain, False is not."""
    offers.update(now)
    nodes, shape, usable = pool.nodes, job.request.shape, _usable(pool, job)
    possible = offers.possible()
    if not possible & usable:
        return True
    if shape.split:
        idle = sum(count * (it & usable).bit_count() for count, it in enumerate(nodes.buckets))
        return not offers.gains(shape.devices - idle, usable, now)
    if shape.nodes == 1:
        return False
    enough = possible | offers.unsure | nodes.candidates(shape, usable)
    return (enough & usable).bit_count() < shape.nodes


def _usable(pool: Pool, job: Job) -> int:
    return job.fit.usable & pool.nodes.open & ~pool.excluded(job)


class _Trial:
    """Stops runs for a look at whether a job fits then; ``close`` lets all of them go on."""

    def __init__(self, pool: Pool, job: Job) -> None:
        self._pool = pool
        self._job = job
        self._excluded = pool.excluded(job)
        self._counts = pool.nodes.freed, pool.nodes.taken
        self._stopped: dict[str, Job] = {}

    def stop(self, runs: Iterable[Job]) -> bool:
        """Stops some more; says whether there were any that ran."""
        before = len(self._stopped)
        for run in runs:
            if run.request.id not in self._stopped:
                self._stopped[run.request.id] = run
                self._pool.nodes.give(run.slices, run.request.shape)
        return len(self._stopped) > before

    def find(self) -> Slices | None:
        """Where the job fits now."""
        group = self._job.group
        return None if group is None else self._pool.find(group, self._excluded)

    def spare(self, now: int) -> None:
        """Lets those go on that need not be stopped, the dearest first."""
        cost, stopped = self._pool.policy.preemption.cost, self._stopped
        dearest = {name: -price_line(run, cost, now).at(now) for name, run in stopped.items()}
        for run in sorted(stopped.values(), key=lambda it: (dearest[it.request.id], it.sequence)):
            if len(stopped) == 1:
                return
            self._pool.nodes.take(run.slices, run.request.shape)
            if self.find() is None:
                self._pool.nodes.give(run.slices, run.request.shape)
            else:
                del stopped[run.request.id]

    def take_back(self) -> None:
        """Lets all of them go on."""
        for run in self._stopped.values():
            self._pool.nodes.take(run.slices, run.request.shape)
        self._stopped = {}

    def close(self) -> list[Job]:
        """Leaves the nodes as they were; returns those that are stopped in the end."""
        stopped = list(self._stopped.values())
        self.take_back()
        self._pool.nodes.freed, self._pool.nodes.taken = self._counts
        return stopped
