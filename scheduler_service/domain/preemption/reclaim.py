"""A team below its own share takes it back from those who run beyond theirs."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from scheduler_service.domain.preemption.guaranteed import Guaranteed, past_guarantee
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
            self.offers = OffersByShape(pool)
        offers = self.offers.get(shape, None, lambda: _Borrowed(pool, shape.resource_type))
        _follow_borrowers(pool, offers, shares.borrowers(shape.resource_type))
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
    """Judges preemptible runs of teams that hold more than their own.

    Attributes:
        borrowers: those teams.
    """

    def __init__(self, pool: Pool, kind: ResourceType) -> None:
        self.borrowers: frozenset[str] = frozenset()
        self._pool = pool
        self._kind = kind

    def among(self, node: int, runs: Iterable[Job], now: int) -> tuple[list[Job], int | None]:
        """Those that have had their guaranteed time."""
        borrowers, kind = self.borrowers, self._kind
        borrowed = [run for run in runs if run.request.team in borrowers]
        alike = [
            run
            for run in borrowed
            if run.request.preemptible and run.request.shape.resource_type is kind
        ]
        return past_guarantee(self._pool, alike, now) if alike else ([], None)


def _follow_borrowers(pool: Pool, offers: Offers[_Borrowed], borrowers: frozenset[str]) -> None:
    """Lets what runs be judged anew where it matters that a team borrows now, or no more."""
    known = offers.judge.borrowers
    if known == borrowers:
        return
    offers.judge.borrowers = borrowers
    for team in borrowers - known:
        offers.judge_anew(part.node for run in pool.runs.of(team) for part in run.slices)
    for team in known - borrowers:
        offers.judge_anew(offers.offering(team))


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
