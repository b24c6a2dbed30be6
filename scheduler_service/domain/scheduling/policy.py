"""A pool's policy as data."""

import enum
from dataclasses import dataclass, field

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.requests import SECOND, Shape

DAY = 86_400 * SECOND


class HeadRule(enum.StrEnum):
    """What happens to the others when the first workload in the order does not fit.

    BLOCK: all wait. SKIP: whatever fits starts. BACKFILL (EASY): whatever fits and does not delay
    the first one's predicted start starts.
    """

    BLOCK = "block"
    SKIP = "skip"
    BACKFILL = "backfill"


class DurationSource(enum.StrEnum):
    """Where expected durations come from."""

    ESTIMATE = "estimate"
    PREDICTION = "prediction"


@dataclass(frozen=True, slots=True)
class FairShare:
    """Who used less goes first, between teams and then between users; past use decays."""

    enabled: bool = False
    half_life: int = 7 * DAY
    weights: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PreemptionRules:
    """Who may be stopped in favour of another.

    Attributes:
        by_priority: work of a higher priority stops preemptible work of a lower one.
        by_reclaim: a team below its own share stops preemptible work that runs beyond others'.
        by_order: what the order would rather run stops what runs; every workload is preemptible.
        repack: at every step all that can run is ordered and placed again from empty nodes.
        minimum_runtime: what every start is left with.
        cost: work that a preempted run loses, at most what it did since its start.
        per_job_and_day: preemptions of one job within 24 hours at most.
        options: further settings of the rules in use, by name.
    """

    by_priority: bool = False
    by_reclaim: bool = False
    by_order: bool = False
    repack: bool = False
    minimum_runtime: int = 600 * SECOND
    cost: int = 0
    per_job_and_day: int = 5
    options: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TeamQuota:
    """What one team may use in a pool, in thousandths of a device.

    Attributes:
        borrow: idle devices of others that it may use as well; None means any number.
    """

    team: str
    nominal: int
    borrow: int | None = None
    resource_type: ResourceType = ResourceType.GPU


@dataclass(frozen=True, slots=True)
class Policy:
    """How the work of a pool is ordered, placed and preempted.

    Attributes:
        order: names of orders; the second decides where the first sees no difference, and so on.
            The order of arrival is always the last.
        backfill_depth: workloads looked at behind the first that does not fit.
        ageing: waiting time after which a workload goes before everything else of its priority,
            and nothing starts any more that would delay it; 0 means never.
        quotas: of teams; a team that is not named has nothing of its own and may borrow.
        options: further settings of the order and the placement, by name.
        mix: what work usually asks for, and how often, for placements that look ahead (``fgd`` and
            ``rollout``). Without one they learn it from what arrives.
    """

    order: tuple[str, ...] = ("priority", "fifo")
    head: HeadRule = HeadRule.BACKFILL
    backfill_depth: int = 100
    placement: str = "best_fit"
    seed: int = 0
    durations: DurationSource = DurationSource.ESTIMATE
    ageing: int = DAY
    fair_share: FairShare = field(default_factory=FairShare)
    preemption: PreemptionRules = field(default_factory=PreemptionRules)
    quotas: tuple[TeamQuota, ...] = ()
    options: tuple[tuple[str, float], ...] = ()
    mix: tuple[tuple[Shape, int], ...] = ()
