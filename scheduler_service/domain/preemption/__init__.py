"""Who makes room for whom."""

from collections.abc import Sequence

from scheduler_service.domain.preemption.order import DEVICES, ByOrder
from scheduler_service.domain.preemption.priority import ByPriority
from scheduler_service.domain.preemption.reclaim import ByReclaim
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Preemption, Victim
from scheduler_service.domain.scheduling.requests import Job


class FirstThatHelps:
    """Several rules, asked one after the other until one makes room.

    Attributes:
        rules: these.
    """

    def __init__(self, rules: Sequence[Preemption]) -> None:
        self.rules = rules

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Whom the first rule stops that can make room."""
        for rule in self.rules:
            victims = rule.victims(pool, job, now)
            if victims:
                return victims
        return ()

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """The earliest time that one of the rules names."""
        wakes = [rule.wake(pool, job, now) for rule in self.rules]
        return min((wake for wake in wakes if wake is not None), default=None)


def preemption_of(policy: Policy) -> Preemption | None:
    """The rules that a policy allows; None when it stops nobody."""
    allowed = policy.preemption
    rules: list[Preemption] = []
    if allowed.by_reclaim:
        rules.append(ByReclaim())
    if allowed.by_priority:
        rules.append(ByPriority())
    if allowed.by_order:
        options = dict(allowed.options)
        rules.append(ByOrder(int(options.get("whole_nodes_from", DEVICES))))
    if len(rules) == 1:
        return rules[0]
    return FirstThatHelps(rules) if rules else None
