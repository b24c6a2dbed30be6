"""Which nodes and devices a job gets; the names are those that a policy's ``placement`` takes."""

from collections.abc import Callable

from scheduler_service.domain.placement.first_fit import FirstFit
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Placement

PLACEMENTS: dict[str, Callable[[Policy], Placement]] = {
    "first_fit": lambda policy: FirstFit(),
}
