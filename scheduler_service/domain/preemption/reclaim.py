"""A team below its own share takes it back from those who run beyond theirs."""

from collections.abc import Sequence
from typing import TypeAlias

from scheduler_service.domain.preemption.guaranteed import Guaranteed
from scheduler_service.domain.preemption.offers import Offers, OffersByShape
from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import Job
from scheduler_service.domain.scheduling.shares import Shares

Holder: TypeAlias = tuple[str, ResourceType]
"""A team, and a kind of device that it holds."""


class ByReclaim:
    """Implements ``Preemption`` for one pool. A team is never brought below its own share."""

    def __init__(self) -> None:
        self.offers: OffersByShape[_Borrowed] | None = None
        self._guaranteed: Guaranteed[Holder] | None = None

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Preemptible runs of teams that borrow, the least work lost.

        The job's own team is none of them, as it is below its share.
        """
        shape, shares = job.request.shape, pool.shares
        if shares is None or not shares.owns(job.request.team, shape):
            return ()
        if self.offers is None:
            self.offers = OffersByShape(pool, _holder)
        offers = self.offers.get(shape, None, lambda: _Borrowed(shape.resource_type))
        _follow_borrowers(offers, shares.borrowers(shape.resource_type))
        room = cheapest_room(pool, job, offers, now)
        if _spares_owners(shares, room):
            return [Victim(run, PreemptionRule.RECLAIM) for run in room]
        return ()

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next of them may be stopped."""
        shape, shares = job.request.shape, pool.shares
        if shares is None or not shares.owns(job.request.team, shape):
            return None
        if self._guaranteed is None:
            self._guaranteed = Guaranteed(pool, _holder)
        kind = shape.resource_type
        borrowers = {(team, kind) for team in shares.borrowers(kind)}
        return self._guaranteed.next(now, borrowers.__contains__)


class _Borrowed:
    """Judges preemptible runs: those of teams that hold more than their own may be stopped.

    Attributes:
        borrowers: those teams.
    """

    def __init__(self, kind: ResourceType) -> None:
        self.borrowers: frozenset[str] = frozenset()
        self._kind = kind

    def wants(self, sort: Holder) -> bool:
        """Whether what a team runs on a kind of device may be."""
        team, kind = sort
        return kind is self._kind and team in self.borrowers

    def among(self, runs: Sequence[Job], now: int) -> tuple[Sequence[Job], int | None]:
        """Those of borrowers."""
        borrowers, kind = self.borrowers, self._kind
        borrowed = [run for run in runs if run.request.team in borrowers]
        return [run for run in borrowed if run.request.shape.resource_type is kind], None


def _follow_borrowers(offers: Offers[_Borrowed], borrowers: frozenset[str]) -> None:
    """Lets what runs be judged anew where it matters that a team borrows now, or no more."""
    turned = offers.judge.borrowers ^ borrowers
    if turned:
        offers.judge.borrowers = borrowers
        offers.judge_anew(offers.ripe.nodes(lambda sort: sort[0] in turned))


def _spares_owners(shares: Shares, room: Sequence[Job]) -> bool:
    """Whether every run that is stopped was, at its turn, beyond its team's own share."""
    given: dict[str, int] = {}
    for run in room:
        team, shape = run.request.team, run.request.shape
        if shares.borrows(team, shape.resource_type) - given.get(team, 0) <= 0:
            return False
        given[team] = given.get(team, 0) + shape.total_milli
    return True


def _holder(run: Job) -> Holder | None:
    request = run.request
    return (request.team, request.shape.resource_type) if request.preemptible else None
