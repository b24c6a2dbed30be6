"""One pool: its nodes, its queue and what it runs, and the policy that it follows."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from scheduler_service.domain.scheduling.decisions import (
    Decision,
    Preempt,
    PreemptionRule,
    Start,
)
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import DAY, Policy
from scheduler_service.domain.scheduling.protocols import Rules, Victim
from scheduler_service.domain.scheduling.queue import Group, GroupKey, Queue
from scheduler_service.domain.scheduling.requests import RANKS, Job, Request, Shape, Slices
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
        wake: when something may start though nothing happens; None for never.
        reservation: what the first that does not fit waits for, as it was last worked out.
        released: runs that have ended so far.
        held_back: nodes that an aged job waits for, and that job; nobody else starts there.
        requeue: what becomes of a preempted job.
        observe: told the shape of all that arrives; None if the placement learns nothing of it.
    """

    __slots__ = (
        "_ageing",
        "_rekeyed",
        "_stops",
        "changed",
        "held_back",
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
    )

    def __init__(self, name: str, policy: Policy, rules: Rules, requeue: Requeue) -> None:
        self.name = name
        self.nodes = Nodes()
        self.queue = Queue()
        self.running: dict[str, Job] = {}
        self.changed = False
        self.wake: int | None = None
        self.held_back: tuple[Job, int] | None = None
        self.reservation: Reservation | None = None
        self.released = 0
        self.requeue = requeue
        self._stops: dict[str, list[int]] = {}
        self._rekeyed = 0
        self.shares: Shares | None = None
        self._ageing: deque[tuple[int, Job]] = deque()
        self._follow(policy, rules)

    def follow(self, policy: Policy, rules: Rules, expect: Callable[[Job], None], now: int) -> None:
        """Follows another policy from now on: everything that waits gets a new place.

        ``expect`` sets what is expected of a job, as the policy wants it.
        """
        self._follow(policy, rules)
        for job in [*self.running.values(), *self.queue.jobs()]:
            expect(job)
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
        self._ageing.clear()
        for job in sorted(waiting, key=lambda job: job.since):
            self.wait(job, now)
        self._rekeyed = now
        self.changed = True

    def wait(self, job: Job, now: int) -> bool:
        """Puts a job that does not run into its place; says whether it heads its group."""
        job.key = self.order.key(job, now)
        key = self.group_key(job.request)
        group = self.queue.groups.get(key) or Group(key, job.fit)
        if self.policy.ageing and not job.aged:
            self._ageing.append((job.since + self.policy.ageing, job))
            if len(self._ageing) > 2 * self.queue.size + _SLACK:
                self._ageing = deque(it for it in self._ageing if it[1].group is not None)
        heads = self.queue.add(job, group)
        if heads or self.policy.preemption.repack:
            self.changed = True
        return heads

    def group_key(self, request: Request) -> GroupKey:
        """Whom a workload waits together with: its shape and, where they count, team and user."""
        if self.shares is None:
            return request.shape, "", ""
        return request.shape, request.team, request.user

    def revise(self, job: Job, now: int) -> None:
        """Gives a waiting job, of which something else is expected now, another place."""
        group = job.group
        key = self.order.key(job, now)
        if group is None or key == job.key:
            return
        self.queue.remove(job)
        job.key = key
        self.queue.add(job, group)
        self.changed = True

    def withdraw(self, job: Job) -> None:
        """Takes a job that waits out of the queue."""
        if self.queue.remove(job):
            self.changed = True
        self.let_go(job)

    def let_age(self, now: int) -> None:
        """Moves what has waited too long before everything else of its class."""
        ageing, bound = self._ageing, self.policy.ageing
        while ageing and ageing[0][0] <= now:
            due, job = ageing.popleft()
            waits_here = job.group is not None and job.pool is self
            if waits_here and job.since + bound == due and not job.aged:
                self.queue.remove(job)
                job.aged = True
                self.wait(job, now)
        every = getattr(self.order, "rekey_every", 0)
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

    def fits_without(self, job: Job, victims: Iterable[Job]) -> bool:
        """Whether a waiting job would fit if these running ones were gone."""
        gone = list(victims)
        if job.group is None:
            return False
        freed = self.nodes.freed
        for victim in gone:
            self._give(victim.slices, victim.request.shape)
        slices = self.find(job.group, self.excluded(job))
        for victim in gone:
            self._take(victim.slices, victim.request.shape)
        self.nodes.freed = freed
        return slices is not None

    def excluded(self, job: Job) -> int:
        """Nodes on which a job may not start because one that aged waits for them."""
        if self.held_back is None:
            return 0
        waiting, nodes = self.held_back
        higher = job.request.priority // RANKS > waiting.request.priority // RANKS
        return 0 if waiting is job or higher else nodes

    def start(self, job: Job, slices: Slices, now: int) -> Start:
        """Starts a waiting job where it fits."""
        self.queue.remove(job)
        self.occupy(job, slices, now)
        self.let_go(job)
        return Start(job.request.id, self.name, slices, job.served)

    def occupy(self, job: Job, slices: Slices, since: int) -> None:
        """Counts a job as running since a time."""
        self._take(slices, job.request.shape)
        if self.shares is not None:
            self.shares.take(job.request, since)
        job.slices = slices
        job.since = since
        job.starts += 1
        self.running[job.request.id] = job

    def release(self, job: Job, now: int) -> None:
        """Gives back what a running job holds."""
        del self.running[job.request.id]
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
            self._stops.setdefault(job.request.job or job.request.id, []).append(now)
        milli = job.request.shape.total_milli
        out.append(Preempt(job.request.id, preemptor, rule, job.served, lost * milli))
        self.requeue(job, now, out)

    def may_stop(self, job: Job, now: int) -> bool:
        """Whether a running job has had its guaranteed time and was not stopped too often.

        What had waited too long before it started is left alone.
        """
        rules = self.policy.preemption
        if job.aged or now - job.since < rules.minimum_runtime:
            return False
        stops = self._stops.get(job.request.job or job.request.id)
        if not stops:
            return True
        stops[:] = [at for at in stops if at > now - DAY]
        return len(stops) < rules.per_job_and_day

    def stop_holding_back(self) -> None:
        """Opens the nodes that were kept for a job that aged; it finds others at its turn."""
        self.reservation = None
        if self.held_back is not None:
            self.held_back = None
            self.nodes.freed += 1
            self.changed = True

    def let_go(self, job: Job) -> None:
        """Opens the nodes that are kept for a job which no longer waits for them."""
        if self.held_back and self.held_back[0] is job:
            self.stop_holding_back()

    def hold_only_for(self, job: Job) -> None:
        """Opens the nodes that are kept for one whose turn comes after this one's."""
        if self.held_back is not None and self.held_back[0] is not job:
            self.stop_holding_back()

    def forget(self, job: Job) -> None:
        """Takes note that a job will not come back."""
        self._stops.pop(job.request.id, None)

    def _follow(self, policy: Policy, rules: Rules) -> None:
        self.policy = policy
        self.order, self.placement, self.preemption, self.ranks_before_shares = rules
        if getattr(self.placement, "tenants", False):
            running = self.running.values()
            self.nodes.note_tenants((job.slices, job.request.shape) for job in running)
        self.observe = getattr(self.placement, "observe", None)
        sharing = bool(policy.quotas) or policy.fair_share.enabled
        self.shares = Shares(policy) if sharing else None

    def _take(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.take(part, shape)

    def _give(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.give(part, shape)
