"""One pool: its nodes, its queue and what it runs, and the policy that it follows."""

from collections.abc import Iterable

from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Order, Placement, Preemption, Victim
from scheduler_service.domain.scheduling.queue import Group, Queue
from scheduler_service.domain.scheduling.requests import Job, Shape, Slices


class Pool:
    """The state of one pool, and the changes that keep it consistent.

    Attributes:
        running: what runs, by id, in the order of the starts.
        changed: whether something may start that could not before.
        wake: when something may start though nothing happens; None for never.
    """

    __slots__ = (
        "changed",
        "name",
        "nodes",
        "order",
        "placement",
        "policy",
        "preemption",
        "queue",
        "running",
        "wake",
    )

    def __init__(
        self,
        name: str,
        policy: Policy,
        order: Order,
        placement: Placement,
        preemption: Preemption | None,
    ) -> None:
        self.name = name
        self.policy = policy
        self.order = order
        self.placement = placement
        self.preemption = preemption
        self.nodes = Nodes()
        self.queue = Queue()
        self.running: dict[str, Job] = {}
        self.changed = False
        self.wake: int | None = None

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
        slices = self.find(job.group)
        for victim in gone:
            self._take(victim.slices, victim.request.shape)
        self.nodes.freed = freed
        return slices is not None

    def start(self, job: Job, slices: Slices, now: int) -> Start:
        """Starts a waiting job where it fits."""
        self.queue.remove(job)
        self.occupy(job, slices, now)
        return Start(job.request.id, self.name, slices, job.served)

    def occupy(self, job: Job, slices: Slices, since: int) -> None:
        """Counts a job as running since a time."""
        self._take(slices, job.request.shape)
        job.slices = slices
        job.since = since
        job.starts += 1
        self.running[job.request.id] = job

    def release(self, job: Job) -> None:
        """Gives back what a running job holds."""
        del self.running[job.request.id]
        self._give(job.slices, job.request.shape)
        job.slices = ()
        self.changed = True

    def preempt(self, victim: Victim, preemptor: str, now: int) -> Preempt:
        """Stops a running job; the caller puts it back into the queue."""
        job, rule = victim
        ran = now - job.since
        lost = min(ran, self.policy.preemption.cost)
        self.release(job)
        job.served += ran - lost
        job.since = now
        milli = job.request.shape.total_milli
        return Preempt(job.request.id, preemptor, rule, job.served, lost * milli)

    def _take(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.take(part, shape)

    def _give(self, slices: Slices, shape: Shape) -> None:
        for part in slices:
            self.nodes.give(part, shape)


Out = list[Decision]
