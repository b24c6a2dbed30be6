"""Nodes that are kept for jobs that have waited too long, in the order of their turns."""

from typing import NamedTuple

from scheduler_service.domain.scheduling.requests import RANKS, Job


class Hold(NamedTuple):
    """What is kept for one job.

    Attributes:
        nodes: set of nodes on which nobody whose turn comes later may start.
        since: when nodes were first chosen for the job.
        until: when they are chosen anew.
    """

    job: Job
    nodes: int
    since: int
    until: int


class Holds(list[Hold]):
    """The holds of one pool, in the order of the turns of their jobs."""

    def closed_to(self, job: Job) -> int:
        """Nodes on which a job may not start: those of whoever goes first and is of its class."""
        closed = 0
        rank = job.request.priority // RANKS
        for hold in self:
            first = hold.job
            if first is job:
                break
            if job.aged and (job.key, job.sequence) < (first.key, first.sequence):
                break
            if rank <= first.request.priority // RANKS:
                closed |= hold.nodes
        return closed

    def held_from(self, job: Job) -> Job | None:
        """The first for whom nodes are kept from a job; None if nothing is."""
        closed = self.closed_to(job)
        return next((hold.job for hold in self if closed & hold.nodes), None)

    def of(self, job: Job) -> Hold | None:
        """What is kept for a job."""
        return next((hold for hold in self if hold.job is job), None)

    @property
    def nodes(self) -> int:
        """All that is kept."""
        kept = 0
        for hold in self:
            kept |= hold.nodes
        return kept
