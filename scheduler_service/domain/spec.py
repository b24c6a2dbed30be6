"""What a caller hands over: what decisions depend on, the program, what a simulation does."""

import enum
from datetime import timedelta

from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Demand
from servicekit.values import Value, field


class Strategy(enum.StrEnum):
    """What the choice of a provider aims at."""

    COST = "cost"
    PERFORMANCE = "performance"
    AVAILABILITY = "availability"
    BALANCED = "balanced"


class PriorityClass(enum.StrEnum):
    """Coarse rank of work."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class WorkloadSpec(Value, frozen=True, kw_only=True):
    """Everything about a workload that a decision may depend on.

    Attributes:
        id: given by the caller, the id of the run.
        pool: pool to run in; empty leaves the choice to the engine. So does an empty provider.
        priority: rank within the class, 1 (last) to 10 (first).
        attempt: number of this attempt of the job, from 1.
        hourly_price_limit: most that a device may cost for an hour, as a quote held it.
    """

    id: str
    job_id: str = ""
    owner_id: str = ""
    team: str = ""
    name: str = ""
    attempt: int = 1
    demand: Demand = field(default_factory=Demand)
    pool: str = ""
    provider: str = ""
    strategy: Strategy = Strategy.BALANCED
    priority_class: PriorityClass = PriorityClass.MEDIUM
    priority: int = 5
    preemptible: bool = False
    estimated_duration: timedelta | None = None
    max_runtime: timedelta | None = None
    hourly_price_limit: Money | None = None


class Program(Value, frozen=True):
    """What is run; at most one of ``command`` and ``args`` is given.

    Attributes:
        environment: variables, sorted by name.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    image: str = ""
    environment: tuple[tuple[str, str], ...] = ()


class Simulation(Value, frozen=True):
    """What a simulated run does; ``duration`` is virtual time, None leaves it to the backend."""

    duration: timedelta | None = None
    exit_code: int = 0
