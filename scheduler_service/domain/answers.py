"""What the engine answers when it is asked about its state."""

from datetime import datetime, timedelta

from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Demand, Placement, ResourceType
from scheduler_service.domain.scheduling.explain import ReasonKind
from scheduler_service.domain.scheduling.quote import Verdict
from servicekit.values import Value


class Explanation(Value, frozen=True):
    """Why a workload waits: one reason, and what would help.

    Attributes:
        message: the reason in one sentence.
        position: place in the queue of its pool, from 1; 0 when it does not wait.
        constraint: what binds, such as "gpu:A100" or "team quota".
        remedy: the smallest change that would start it now; empty means unknown.
        blocking: workloads whose end or absence would start it, the soonest first.
        start_earliest: earliest predicted start; None means unknown. So does ``start_latest``.
    """

    workload_id: str
    kind: ReasonKind
    message: str
    position: int = 0
    queue_length: int = 0
    pool: str = ""
    constraint: str = ""
    remedy: str = ""
    blocking: tuple[str, ...] = ()
    start_earliest: datetime | None = None
    start_latest: datetime | None = None


class Option(Value, frozen=True):
    """Another way to run a quoted workload, when it would start then, and at what price.

    Attributes:
        start_p50: as that of a quote; so is ``cost``, for the running time of ``cost_low``.
    """

    message: str
    demand: Demand
    pool: str
    start_p50: datetime | None
    cost: Money | None = None


class Quote(Value, frozen=True):
    """What a workload can expect.

    Attributes:
        start_p50: start that is kept with a probability of one half; None means unknown.
        start_p90: likewise with nine tenths.
        placement: where it would run; None when that is not known.
        preempted: workloads that would be stopped in its favour, each with its job.
        delayed: workloads that would wait longer, and by how long at most.
        options: ways to run it sooner or cheaper, the soonest first.
        pool: where it would wait or run; empty where it never fits.
        cost_low: of the time that half of such runs need, where it would run; None means unknown.
        cost_high: of the time that nine of ten need, where it is dearest; None means unknown.
        hourly_price_high: of one device, where it is dearest; None means unknown.
    """

    verdict: Verdict
    start_p50: datetime | None = None
    start_p90: datetime | None = None
    placement: Placement | None = None
    preempted: tuple[tuple[str, str], ...] = ()
    delayed: int = 0
    longest_delay: timedelta = timedelta()
    explanation: Explanation | None = None
    options: tuple[Option, ...] = ()
    pool: str = ""
    cost_low: Money | None = None
    cost_high: Money | None = None
    hourly_price_high: Money | None = None


class Recommendation(Value, frozen=True):
    """A provider, and how good it is under a strategy, 0 to 1.

    Attributes:
        hourly_price: of one device; None means unknown. So does ``expected_wait``.
    """

    provider: str
    score: float
    gpu_type: str
    pool: str
    hourly_price: Money | None = None
    expected_wait: timedelta | None = None


class ProviderUse(Value, frozen=True):
    """What of a provider's devices is in service and in use, in thousandths, and its runs."""

    provider: str
    total_milli: int
    used_milli: int
    running: int


class Load(Value, frozen=True):
    """What waits and runs now, in one pool or in all.

    Attributes:
        waiting_since: arrival of what has waited longest; None when nothing waits.
        providers: by name.
    """

    queued: int
    running: int
    waiting_since: datetime | None
    providers: tuple[ProviderUse, ...]


class DeviceUse(Value, frozen=True):
    """Devices of one model in one pool: all and the free part, in thousandths; by whom, by name."""

    resource_type: ResourceType
    gpu_type: str
    total_milli: int
    free_milli: int
    free_devices: int
    providers: tuple[str, ...] = ()


class PoolUse(Value, frozen=True):
    """How a pool is used now, retired nodes left out.

    Processor cores and memory count only on nodes where they are limited. ``providers`` are those
    of its nodes, by name.
    """

    name: str
    devices: tuple[DeviceUse, ...]
    nodes: int
    total_vcpus: int
    free_vcpus: int
    total_memory_gb: int
    free_memory_gb: int
    queued: int
    running: int
    providers: tuple[str, ...] = ()
