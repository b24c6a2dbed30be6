"""One pool: its nodes, its queue and what it runs, and the policy that it follows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from scheduler_service.domain.scheduling.ageing import Ageing
from scheduler_service.domain.scheduling.decisions import (
    Decision,
    Preempt,
    PreemptionRule,
    Start,
)
from scheduler_service.domain.scheduling.holds import Holds
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import HeadRule, Policy
from scheduler_service.domain.scheduling.protocols import Rules, Victim
from scheduler_service.domain.scheduling.queue import Group, Queue
from scheduler_service.domain.scheduling.requests import Job, Slices
from scheduler_service.domain.scheduling.running import Running
from scheduler_service.domain.scheduling.shares import Shares
from scheduler_service.domain.scheduling.stops import Stops

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.reservation import Reservation

Out: TypeAlias = list[Decision]
Requeue: TypeAlias = Callable[[Job, int, Out], None]


class Pool:
    """The state of one pool, and the changes that keep it consistent.

    Attributes:
        running: what runs.
        stops: what was stopped in favour of others.
        ageing: what waits by when it will have waited too long.
        changed: whether something may start that could not before.
        watches_time: whether what waits may get another place because time has passed.
        wake: when something may start though nothing happens; None for never.
        reservation: what the first that does not fit waits for, as it was last worked out.
        holds: nodes that are kept for jobs that have waited too long.
        aged_waiting: how many of those there are.
        requeue: what becomes of a preempted job.
        observe: told the shape of all that arrives; None if the placement learns nothing of it.
    """

    __slots__ = (
        "_rekey_every",
        "_rekeyed",
        "aged_waiting",
        "ageing",
        "changed",
        "holds",
        "name",
        "nodes",
        "observe",
        "order",
        "placement",
        "policy",
        "preemption",
        "queue",
        "ranks_before_shares",
        "requeue",
        "reservation",
        "running",
        "shares",
        "stops",
        "wake",
        "watches_time",
    )

    def __init__(self, name: str, policy: Policy, rules: Rules, requeue: Requeue) -> None:
        self.name = name
        self.nodes = Nodes()
        self.queue = Queue()
        self.running = Running()
        self.changed = False
        self.wake: int | None = None
        self.holds = Holds()
        self.aged_waiting = 0
        self.reservation: Reservation | None = None
        self.requeue = requeue
        self.stops = Stops()
        self._rekeyed = 0
        self._follow(policy, rules)

    def follow(self, policy: Policy, rules: Rules, expect: Callable[[Job], None], now: int) -> None:
        """Follows another policy from now on: everything that waits gets a new place.

        ``expect`` sets what is expected of a job, as the policy wants it.
        """
        self._follow(policy, rules)
        for job in [*self.running.values(), *self.queue.jobs()]:
            expect(job)
        self.running.expect(now)
        if self.shares is not None:
            for job in self.running.values():
                self.shares.take(job.request, now)
        for job in self.queue.jobs():
            job.aged = False
        self.stop_holding_back()
        self.reorder(now)

    def reorder(self, now: int) -> None:
        """Works out every waiting job's place anew."""
        waiting = sorted(self.queue.jobs(), key=lambda job: job.sequence)
        self.queue = Queue()
        self.aged_waiting = 0
        self.ageing.clear()
        for job in sorted(waiting, key=lambda job: job.since):
            self.wait(job, now)
        self._rekeyed = now
        self.changed = True

    def wait(self, job: Job, now: int) -> bool:
        """Puts a job that does not run into its place; says whether it heads its group."""
        job.key = self.order.key(job, now)
        group = self.group_of(job)
        if job.aged:
            self.aged_waiting += 1
        elif self.policy.ageing:
            self.ageing.add(job, self.queue.size)
        heads = self.queue.add(job, group)
        if heads and self.holds:
            self._look_anew(group)
        passes = self.policy.head is HeadRule.BACKFILL and group.blocked != self.nodes.freed
        if heads or passes or self.policy.preemption.repack:
            self.changed = True
        return heads

    def group_of(self, job: Job) -> Group:
        """Whom a job waits together with: those of its shape and, where they count, team, user."""
        if self.shares is None:
            return self.queue.group_of_shape(job.fit)
        request = job.request
        user = request.user if self.shares.fair else ""
        return self.queue.group(request.shape, request.team, user, job.fit)

    def revise(self, job: Job, now: int) -> None:
        """Gives a waiting job, of which something else is expected now, another place."""
        group = job.group
        key = self.order.key(job, now)
        if group is None or key == job.key:
            return
        self._leave(job)
        job.key = key
        if self.queue.add(job, group):
            self._look_anew(group)
        self.changed = True

    def withdraw(self, job: Job) -> None:
        """Takes a job that waits out of the queue."""
        if self._leave(job):
            self.changed = True
        self.aged_waiting -= job.aged
        self.let_go(job)

    def let_age(self, now: int) -> None:
        """Moves what has waited too long before everything else of its class."""
        while (job := self.ageing.pop(now)) is not None:
            self._leave(job)
            job.aged = True
            self.wait(job, now)
        every = self._rekey_every
        if every and now - self._rekeyed >= every and self.queue.size:
            self.reorder(now)

    def find(self, group: Group, excluded: int = 0) -> Slices | None:
        """Where a job of a group would be put now, on none of the excluded nodes; or None."""
        nodes, place, shape = self.nodes, self.placement.place, group.shape
        allowed = nodes.open & ~excluded if excluded else nodes.open
        for tier in group.fit.tiers:
            slices = place(nodes, shape, tier & allowed)
            if slices is not None:
                return slices
        return None

    def excluded(self, job: Job) -> int:
        """Nodes on which a job may not start because one that aged waits for them."""
        return self.holds.closed_to(job) if self.holds else 0

    def start(self, job: Job, slices: Slices, now: int) -> Start:
        """Starts a waiting job where it fits."""
        self.queue.remove(job)
        self.aged_waiting -= job.aged
        job.waited += now - job.since
        self.occupy(job, slices, now)
        if self.holds:
            self.let_go(job)
        return Start(job.request.id, self.name, slices, job.served)

    def occupy(self, job: Job, slices: Slices, since: int, *, booked: bool = False) -> None:
        """Counts a job as running since a time; ``booked`` if its team was charged already."""
        self.nodes.take(slices, job.request.shape)
        if self.shares is not None and not booked:
            self.shares.take(job.request, since)
        job.slices = slices
        job.since = since
        job.starts += 1
        self.running.begin(job, since)

    def release(self, job: Job, now: int) -> None:
        """Gives back what a running job holds."""
        self.running.end(job)
        self.nodes.give(job.slices, job.request.shape)
        if self.shares is not None:
            self.shares.give(job.request, now)
        job.slices = ()
        self.changed = True

    def preempt(self, victim: Victim, preemptor: str, now: int, out: Out) -> None:
        """Stops a running job and requeues it."""
        job, rule = victim
        ran = now - job.since
        lost = ran if rule is PreemptionRule.NODE_LOST else min(ran, self.policy.preemption.cost)
        self.release(job, now)
        job.served += ran - lost
        job.since = now
        if rule is not PreemptionRule.NODE_LOST:
            self.stops.note(job.request, now)
        milli = job.request.shape.total_milli
        out.append(Preempt(job.request.id, preemptor, rule, job.served, lost * milli))
        self.requeue(job, now, out)

    def stoppable_at(self, job: Job, now: int) -> int | None:
        """From when on a running job may be stopped; None for never."""
        return self.stops.stoppable_at(job, self.policy.preemption, now)

    def stop_holding_back(self) -> None:
        """Opens all nodes that were kept for jobs that aged; others are found for them."""
        self.reservation = None
        if self.holds:
            self.holds = Holds()
            self.nodes.freed += 1
            self.changed = True

    def let_go(self, job: Job) -> None:
        """Opens the nodes that are kept for a job which no longer waits for them."""
        if self.holds and self.holds.of(job) is not None:
            self.holds = Holds(hold for hold in self.holds if hold.job is not job)
            self.reservation = None
            self.nodes.freed += 1
            self.changed = True

    def _follow(self, policy: Policy, rules: Rules) -> None:
        self.policy = policy
        self.order, self.placement, self.preemption, self.ranks_before_shares = rules
        if getattr(self.placement, "tenants", False):
            running = self.running.values()
            self.nodes.note_tenants((job.slices, job.request.shape) for job in running)
        self._rekey_every = getattr(self.order, "rekey_every", 0)
        self.watches_time = bool(policy.ageing or self._rekey_every or self.holds)
        self.observe = getattr(self.placement, "observe", None)
        self.running.forget(ends=policy.head is HeadRule.BACKFILL)
        self.ageing = Ageing(self, policy.ageing)
        sharing = bool(policy.quotas) or policy.fair_share.enabled
        self.shares = Shares(policy) if sharing else None

    def _leave(self, job: Job) -> bool:
        """Takes a job out of the queue; says whether it headed its group."""
        group = job.group
        headed = self.queue.remove(job)
        if headed and group is not None:
            self._look_anew(group)
        return headed

    def _look_anew(self, group: Group) -> None:
        """What is kept from the first of a group before may not be kept from the one now."""
        if self.holds:
            group.blocked = -1
