"""From a policy as data to the objects that follow it."""

from scheduler_service.domain.ordering import ORDERS
from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Order
from scheduler_service.domain.scheduling.requests import Job, Key


class Lexicographic:
    """Several orders, each of which decides where those before it see no difference."""

    def __init__(self, orders: list[Order]) -> None:
        self._orders = orders

    def key(self, job: Job, now: int) -> Key:
        """The keys of all."""
        return tuple(order.key(job, now) for order in self._orders)


def assemble(name: str, policy: Policy) -> Pool:
    """An empty pool that follows a policy.

    Raises:
        KeyError: the policy names an order or a placement that does not exist.
    """
    orders = [ORDERS[each](policy) for each in policy.order]
    order = orders[0] if len(orders) == 1 else Lexicographic(orders)
    return Pool(name, policy, order, PLACEMENTS[policy.placement](policy), None)
