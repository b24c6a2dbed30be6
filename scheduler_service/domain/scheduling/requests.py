"""What work asks for, in the units that the engine counts in, and what becomes of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from scheduler_service.domain.resources import WHOLE, ResourceType

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.fits import Fit
    from scheduler_service.domain.scheduling.pool import Pool
    from scheduler_service.domain.scheduling.queue import Group

SECOND = 1_000_000
"""Microseconds in a second."""

RANKS = 16
"""Priorities of one class: a workload's class is its priority divided by this, rounded down."""

KindName: TypeAlias = tuple[str, str, str]
"""A pool, a provider, and a device model that it has there."""

Key: TypeAlias = Any
"""Where a job stands in an order, smaller first: a whole number, or a tuple of such."""


@dataclass(frozen=True)
class Shape:
    """What is asked of nodes. Workloads of one shape fit or do not fit alike.

    Attributes:
        devices: on each node; with ``split``, of the whole run.
        milli: share of each device in thousandths; below 1000 only with one device.
        nodes: nodes that start together, all or none.
        split: the devices may lie on several nodes, as few as possible.
        models: acceptable device models; empty accepts every one.
        ranked: whether ``models`` is in order of preference.
        cpu: processor cores on each node in thousandths.
        memory: main memory on each node in MiB.
        device_memory: least memory of each device in GiB.
        labels: what each node must carry.
        pool: where to run; empty leaves the choice to the engine. So does an empty provider.
        prefer: kinds of device in order of preference; others come after them.
    """

    resource_type: ResourceType = ResourceType.GPU
    devices: int = 1
    milli: int = WHOLE
    nodes: int = 1
    split: bool = False
    models: tuple[str, ...] = ()
    ranked: bool = False
    cpu: int = 0
    memory: int = 0
    device_memory: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    pool: str = ""
    provider: str = ""
    prefer: tuple[KindName, ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Shapes are looked up at every submit: the hash is worked out once."""
        return hash((self.devices, self.milli, self.nodes, self.cpu, self.memory, self.models))

    @cached_property
    def total_milli(self) -> int:
        """Devices of the whole run, in thousandths."""
        return self.nodes * self.devices * self.milli


class Request(NamedTuple):
    """One workload that wants to run.

    Attributes:
        id: unique among all workloads of a history.
        submitted: when it began to wait.
        job: the job that it is an attempt of; preemptions are counted for it. Empty means ``id``.
        priority: greater goes first; ``RANKS`` times the class, plus the rank within it.
        estimate: how long its submitter expects it to run; None means unknown.
        limit: how long it may run; None means without limit.
    """

    id: str
    shape: Shape
    submitted: int
    team: str = ""
    user: str = ""
    name: str = ""
    job: str = ""
    priority: int = 0
    preemptible: bool = False
    estimate: int | None = None
    limit: int | None = None


class Slice(NamedTuple):
    """Part of one node that a run holds.

    Attributes:
        node: the node's number in its pool.
        devices: bit ``i`` is set when device ``i`` is held.
        milli: share of each of them, in thousandths.
    """

    node: int
    devices: int
    milli: int = WHOLE


Slices: TypeAlias = tuple[Slice, ...]


class Job:
    """A workload as the engine keeps it, from its arrival to its end.

    Attributes:
        pool: where it waits or runs; ``fit`` says on which nodes of it.
        key: its place in the order, fixed while it waits.
        sequence: number of its arrival; decides between equal keys.
        group: whom it waits together with; None while it runs.
        since: when it began to wait or, while it runs, to run.
        served: service that counts from before ``since``, in microseconds.
        expected: service that it is expected to need in all; None means unknown.
        late: service that it will need with a probability of one tenth; None means unknown.
        slices: what it holds; empty while it waits.
        end: when its run is expected to end, where its pool keeps account of that.
        starts: how often it started.
        waited: how long it waited before ``since``, all together.
        aged: whether it has waited longer than the policy lets anyone wait for others.
    """

    __slots__ = (
        "aged",
        "end",
        "expected",
        "fit",
        "group",
        "key",
        "late",
        "pool",
        "request",
        "sequence",
        "served",
        "since",
        "slices",
        "starts",
        "waited",
    )

    def __init__(self, request: Request, sequence: int, pool: "Pool", fit: "Fit") -> None:
        self.request = request
        self.sequence = sequence
        self.pool = pool
        self.fit = fit
        self.key: Key = 0
        self.group: Group | None = None
        self.since = request.submitted
        self.served = 0
        self.expected: int | None = None
        self.late: int | None = None
        self.slices: Slices = ()
        self.end = 0
        self.starts = 0
        self.waited = 0
        self.aged = False

    def attained(self, now: int) -> int:
        """Service that it has had by now, in microseconds on its clock."""
        return self.served + now - self.since if self.slices else self.served
