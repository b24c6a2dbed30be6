"""A small cluster to tell things to: what is asked and decided, in a few words."""

from dataclasses import replace
from typing import Any

from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Event, Finish, NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.policy import HeadRule, Policy
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape

PLAIN = Policy(order=("fifo",), head=HeadRule.BLOCK, placement="first_fit", ageing=0)


class Cluster:
    """An engine with some nodes of eight devices, and a clock in seconds."""

    def __init__(self, policy: Policy = PLAIN, nodes: int = 1, **changes: Any) -> None:
        self.engine = Engine(replace(policy, **changes))
        self.now = 0
        self.decisions: list[Decision] = []
        self.tell(*(NodeUp(NodeSpec(f"n{number}", model="A100")) for number in range(nodes)))

    def tell(self, *events: Event, at: int | None = None) -> list[Decision]:
        """Tells the engine of events, at a time in seconds."""
        self.now = self.now if at is None else at
        self.decisions = self.engine.step(self.now * SECOND, events)
        return self.decisions

    def submit(
        self, job_id: str, devices: int = 1, *, at: int | None = None, **fields: Any
    ) -> list[str]:
        """Submits a workload; returns what started."""
        self.now = self.now if at is None else at
        shape = fields.pop("shape", None) or Shape(devices=devices, split=devices > 8)
        if "estimate" in fields:
            fields["estimate"] *= SECOND
        request = Request(job_id, shape, self.now * SECOND, **fields)
        self.tell(Submit(request))
        return self.started

    def finish(self, job_id: str, *, at: int | None = None) -> list[str]:
        """Ends a run; returns what started."""
        self.tell(Finish(job_id), at=at)
        return self.started

    @property
    def started(self) -> list[str]:
        """What the last decisions started, in their order."""
        return [it.id for it in self.decisions if isinstance(it, Start)]

    @property
    def preempted(self) -> list[Preempt]:
        """What the last decisions stopped."""
        return [it for it in self.decisions if isinstance(it, Preempt)]

    @property
    def waiting(self) -> list[str]:
        """What waits, by arrival."""
        return [job_id for job_id, job in self.engine.jobs.items() if job.group is not None]
