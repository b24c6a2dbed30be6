"""Which job goes first; the names are those that a policy's ``order`` takes."""

from collections.abc import Callable

from scheduler_service.domain.ordering.levels import AttainedLevels
from scheduler_service.domain.ordering.terms import (
    Fifo,
    LeastAttainedService,
    PriorityFirst,
    ShortestFirst,
    SmallestServiceFirst,
)
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Order

ORDERS: dict[str, Callable[[Policy], Order]] = {
    "fifo": lambda policy: Fifo(),
    "priority": lambda policy: PriorityFirst(),
    "sjf": lambda policy: ShortestFirst(),
    "ssf": lambda policy: SmallestServiceFirst(),
    "las_levels": AttainedLevels,
    "las": lambda policy: LeastAttainedService(),
}
