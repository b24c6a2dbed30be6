"""From a policy as data to the objects that follow it."""

from collections.abc import Sequence

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.preemption import preemption_of
from scheduler_service.domain.scheduling.lines import Line
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Order, Rules
from scheduler_service.domain.scheduling.requests import RANKS, Job, Key


class InOrder:
    """Several orders one behind the other, and what waited too long before the rest of its class.

    A key is, as far as the policy has them: class, whether it has not aged, priority, and the keys
    of the other orders. Among what has aged, what came first goes first.
    """

    def __init__(self, orders: Sequence[Order], by_priority: bool, ages: bool) -> None:
        self._orders = orders
        self._by_priority = by_priority
        self._ages = ages
        self.rekey_every = min(
            (every for each in orders if (every := getattr(each, "rekey_every", 0))), default=0
        )

    @property
    def before_shares(self) -> int:
        """Leading parts of a key that decide before fair shares do."""
        return self._ages + self._by_priority + (self._ages and self._by_priority)

    def key(self, job: Job, now: int) -> Key:
        """Where a job stands."""
        priority = job.request.priority
        rest = [order.key(job, now) for order in self._orders]
        if self._by_priority:
            rest.insert(0, -priority)
        if self._ages:
            rest = [0, job.request.submitted] if job.aged else [1, *rest]
            if self._by_priority:
                rest.insert(0, -(priority // RANKS))
        return tuple(rest)

    def lines(self, job: Job, now: int) -> list[Line]:
        """The key of what runs."""
        priority = job.request.priority
        rest = [line for order in self._orders for line in order.lines(job, now)]
        if self._by_priority:
            rest.insert(0, Line(0, -priority))
        if self._ages:
            rest = [Line(0, 0), Line(0, job.request.submitted)] if job.aged else [Line(0, 1), *rest]
            if self._by_priority:
                rest.insert(0, Line(0, -(priority // RANKS)))
        return rest

    def stays(self, job: Job, now: int) -> int | None:
        """Until when a running job keeps its key; None for always, ``now`` for no time at all."""
        times = [
            order.stays(job, now) if hasattr(order, "stays") else now for order in self._orders
        ]
        return min((time for time in times if time is not None), default=None)


def rules_of(policy: Policy) -> Rules:
    """The objects that follow a policy.

    Raises:
        KeyError: the policy names an order or a placement that does not exist.
    """
    by_priority = "priority" in policy.order[:1]
    orders = [ORDERS[each](policy) for each in policy.order[by_priority:]]
    sharing = bool(policy.quotas) or policy.fair_share.enabled
    placement = PLACEMENTS[policy.placement](policy)
    preemption = preemption_of(policy)
    if len(orders) == 1 and not (by_priority or policy.ageing or sharing):
        return Rules(orders[0], placement, preemption, 0)
    order = InOrder(orders, by_priority, bool(policy.ageing))
    return Rules(order, placement, preemption, order.before_shares)
