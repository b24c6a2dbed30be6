"""One pool: its nodes, its queue and what it runs, and the policy that it follows."""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from sortedcontainers import SortedList

from scheduler_service.domain.scheduling.decisions import (
    Decision,
    Preempt,
    PreemptionRule,
    Start,
)
from scheduler_service.domain.scheduling.durations import expected_end
from scheduler_service.domain.scheduling.holds import Holds
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import DAY, HeadRule, Policy
from scheduler_service.domain.scheduling.protocols import Rules, Victim
from scheduler_service.domain.scheduling.queue import Group, Queue
from scheduler_service.domain.scheduling.requests import Job, Request, Shape, Slices
from scheduler_service.domain.scheduling.shares import Shares

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.reservation import Reservation

Out: TypeAlias = list[Decision]
Requeue: TypeAlias = Callable[[Job, int, Out], None]

_SLACK = 1_000


class Pool:
    """The state of one pool, and the changes that keep it consistent.

    Attributes:
        running: what runs, by id, in the order of the starts.
        changed: whether something may start that could not before.
        watches_time: whether what waits may get another place because time has passed.
        wake: when something may start though nothing happens; None for never.
        ends: expected ends of what runs, in order; None where nobody asks for them.
        reservation: what the first that does not fit waits for, as it was last worked out.
        released: runs that have ended so far.
        holds: nodes that are kept for jobs that have waited too long.
        aged_waiting: how many of those there are.
        requeue: what becomes of a preempted job.
        observe: told the shape of all that arrives; None if the placement learns nothing of it.
    """

    __slots__ = (
        "_ageing",
        "_rekey_every",
        "_rekeyed",
        "_stops",
        "aged_waiting",
        "changed",
        "ends",
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
        "released",
        "requeue",
        "reservation",
        "running",
        "shares",
        "wake",
        "watches_time",
    )

    def __init__(self, name: str, policy: Policy, rules: Rules, requeue: Requeue) -> None:
        self.name = name
        self.nodes = Nodes()
        self.queue = Queue()
        self.running: dict[str, Job] = {}
        self.changed = False
        self.wake: int | None = None
        self.holds = Holds()
        self.aged_waiting = 0
        self.reservation: Reservation | None = None
        self.released = 0
        self.ends: SortedList | None = None
        self.requeue = requeue
        self._stops: dict[str, list[int]] = {}
        self._rekeyed = 0
        self.shares: Shares | None = None
        self._ageing: list[tuple[int, int, Job]] = []
        self._follow(policy, rules)

    def follow(self, policy: Policy, rules: Rules, expect: Callable[[Job], None], now: int) -> None:
        """Follows another policy from now on: everything that waits gets a new place.

        ``expect`` sets what is expected of a job, as the policy wants it.
        """
        self._follow(policy, rules)
        for job in [*self.running.values(), *self.queue.jobs()]:
            expect(job)
        if self.ends is not None:
            for job in self.running.values():
                self._expect_end(job, now)
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
        self._ageing.clear()
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
            heappush(self._ageing, (self._ages_at(job), job.sequence, job))
            if len(self._ageing) > 2 * self.queue.size + _SLACK:
                self._ageing = [it for it in self._ageing if it[2].group is not None]
                heapify(self._ageing)
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
        ageing = self._ageing
        while ageing and ageing[0][0] <= now:
            due, _, job = heappop(ageing)
            waits_here = job.group is not None and job.pool is self
            if waits_here and self._ages_at(job) == due and not job.aged:
                self._leave(job)
                job.aged = True
                self.wait(job, now)
        every = self._rekey_every
        if every and now - self._rekeyed >= every and self.queue.size:
            self.reorder(now)

    def next_to_age(self) -> int | None:
        """When the next waiting job will have waited too long."""
        ageing = self._ageing
        while ageing:
            due, _, job = ageing[0]
            if job.group is not None and job.pool is self and self._ages_at(job) == due:
                return due
            heappop(ageing)
        return None

    def find(self, group: Group, excluded: int = 0) -> Slices | None:
        """Where a job of a group would be put now, on none of the excluded nodes; or None."""
        nodes, place, shape = self.nodes, self.placement.place, group.shape
        allowed = nodes.open & ~excluded if excluded else nodes.open
        for tier in group.fit.tiers:
            slices = place(nodes, shape, tier & allowed)
            if slices is not None:
                return slices
        return None

    def fits_without(self, job: Job, victims: Iterable[Job]) -> bool:
        """Whether a waiting job would fit if these running ones were gone."""
        gone = list(victims)
        if job.group is None:
            return False
        counts = self.nodes.freed, self.nodes.taken
        for victim in gone:
            self._give(victim.slices, victim.request.shape)
        slices = self.find(job.group, self.excluded(job))
        for victim in gone:
            self._take(victim.slices, victim.request.shape)
        self.nodes.freed, self.nodes.taken = counts
        return slices is not None

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
        shape = job.request.shape
        for part in slices:
            self.nodes.take(part, shape)
        if self.shares is not None and not booked:
            self.shares.take(job.request, since)
        job.slices = slices
        job.since = since
        job.starts += 1
        self.running[job.request.id] = job
        if self.ends is not None:
            self._expect_end(job, since)

    def next_ends(self, now: int) -> Iterable[tuple[int, int, Job]]:
        """What runs by its expected end, the soonest first, each with its end and arrival."""
        if self.ends is None:
            running = self.running.values()
            return sorted((expected_end(run, now), run.sequence, run) for run in running)
        self.put_off(now)
        ends: Iterable[tuple[int, int, Job]] = self.ends
        return ends

    def put_off(self, now: int) -> None:
        """Expects later ends of what runs longer than expected."""
        if self.ends is not None:
            while self.ends and self.ends[0][0] <= now:
                self._expect_end(self.ends.pop(0)[2], now)

    def release(self, job: Job, now: int) -> None:
        """Gives back what a running job holds."""
        del self.running[job.request.id]
        if self.ends is not None:
            self.ends.remove((job.end, job.sequence, job))
        self._give(job.slices, job.request.shape)
        if self.shares is not None:
            self.shares.give(job.request, now)
        job.slices = ()
        self.released += 1
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
            self.note_stop(job.request, now)
        milli = job.request.shape.total_milli
        out.append(Preempt(job.request.id, preemptor, rule, job.served, lost * milli))
        self.requeue(job, now, out)

    def note_stop(self, request: Request, now: int) -> None:
        """Counts a preemption of a job."""
        self._stops.setdefault(request.job or request.id, []).append(now)

    def may_stop(self, job: Job, now: int) -> bool:
        """Whether a running job has had its guaranteed time and was not stopped too often.

        What had waited too long before it started is left alone.
        """
        at = self.stoppable_at(job, now)
        return at is not None and at <= now

    def stoppable_at(self, job: Job, now: int) -> int | None:
        """From when on a running job may be stopped; None for never."""
        rules = self.policy.preemption
        if job.aged or not rules.per_job_and_day:
            return None
        at = job.since + rules.minimum_runtime
        stops = self._stops.get(job.request.job or job.request.id)
        if stops:
            stops[:] = [stop for stop in stops if stop > now - DAY]
            if len(stops) >= rules.per_job_and_day:
                at = max(at, stops[-rules.per_job_and_day] + DAY)
        return at

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

    def forget(self, job: Job) -> None:
        """Takes note that a job will not come back."""
        if self._stops:
            self._stops.pop(job.request.id, None)

    def _follow(self, policy: Policy, rules: Rules) -> None:
        self.policy = policy
        self.order, self.placement, self.preemption, self.ranks_before_shares = rules
        if getattr(self.placement, "tenants", False):
            running = self.running.values()
            self.nodes.note_tenants((job.slices, job.request.shape) for job in running)
        self._rekey_every = getattr(self.order, "rekey_every", 0)
        self.watches_time = bool(policy.ageing or self._rekey_every or self.holds)
        self.observe = getattr(self.placement, "observe", None)
        self.ends = SortedList() if policy.head is HeadRule.BACKFILL else None
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

    def _ages_at(self, job: Job) -> int:
        """When a job that waits now will have waited too long, all its waits together."""
        return job.since - job.waited + self.policy.ageing

    def _expect_end(self, job: Job, now: int) -> None:
        job.end = expected_end(job, now)
        if self.ends is not None:
            self.ends.add((job.end, job.sequence, job))

    def _take(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.take(part, shape)

    def _give(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.give(part, shape)
