"""Which nodes and devices a job gets; the names are those that a policy's ``placement`` takes."""

from collections.abc import Callable

from scheduler_service.domain.placement.best_fit import Fullest, Spread
from scheduler_service.domain.placement.chance import Chance
from scheduler_service.domain.placement.first_fit import FirstFit
from scheduler_service.domain.placement.fragmentation import Gradient
from scheduler_service.domain.placement.rollout import Rollout
from scheduler_service.domain.placement.rules import Clustering, LeastAligned, Packing
from scheduler_service.domain.placement.scored import Cheapest
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Placement

PLACEMENTS: dict[str, Callable[[Policy], Placement]] = {
    "first_fit": lambda policy: FirstFit(),
    "best_fit": lambda policy: Fullest(),
    "consolidate": lambda policy: Fullest(),
    "spread": lambda policy: Spread(),
    "random": lambda policy: Chance(policy.seed),
    "dot_product": lambda policy: Cheapest(LeastAligned()),
    "gpu_packing": lambda policy: Cheapest(Packing()),
    "gpu_clustering": lambda policy: Cheapest(Clustering(), tenants=True),
    "fgd": lambda policy: Cheapest(Gradient(policy.mix)),
    "rollout": lambda policy: Cheapest(Rollout(policy.mix, policy.seed)),
}
