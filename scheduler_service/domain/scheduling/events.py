"""What the engine is told."""

import enum
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import Request, Slices


class NodeSpec(NamedTuple):
    """One machine.

    Attributes:
        devices: how many it has.
        device_memory: memory of each device in GiB; 0 when it is not known.
        cpu: processor cores in thousandths; 0 means that they are not limited.
        memory: main memory in MiB; 0 means that it is not limited.
    """

    id: str
    pool: str = "default"
    provider: str = "local"
    resource_type: ResourceType = ResourceType.GPU
    model: str = ""
    devices: int = 8
    device_memory: int = 0
    cpu: int = 0
    memory: int = 0
    labels: tuple[tuple[str, str], ...] = ()


class Submit(NamedTuple):
    """A workload waits from now on."""

    request: Request


class Occupy(NamedTuple):
    """A workload runs already, since a time: told while the engine's state is rebuilt."""

    request: Request
    pool: str
    slices: Slices
    since: int


class End(enum.StrEnum):
    """How a run came to its end.

    STOPPED: preempted in favour of another. LOST: preempted with its node.
    """

    BY_ITSELF = "by_itself"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    LOST = "lost"


class Began(NamedTuple):
    """A run had begun, be it over by now or not: told while the engine's state is rebuilt.

    Such starts and ends are told in order of their times; of what still runs, where it does is told
    after that.
    """

    request: Request
    pool: str
    at: int


class Ended(NamedTuple):
    """It had ended."""

    id: str
    at: int
    end: End


class Cancel(NamedTuple):
    """A workload neither waits nor runs any more. Unknown ids are passed over."""

    id: str


class Finish(NamedTuple):
    """A running workload has ended by itself. Unknown ids are passed over."""

    id: str


class NodeUp(NamedTuple):
    """A node is there and takes work: a new one, or one that was down or drained."""

    node: NodeSpec


class NodeDrain(NamedTuple):
    """A node takes no new work and lets the present work end."""

    id: str


class NodeRetire(NamedTuple):
    """A node is drained and will not come back: what only it could hold can never run."""

    id: str


class NodeDown(NamedTuple):
    """A node is lost, and with it what ran there."""

    id: str


class SetPolicy(NamedTuple):
    """A policy holds from now on, in one pool or, with an empty name, in all without their own."""

    policy: Policy
    pool: str = ""


class Tick(NamedTuple):
    """Nothing happened but the passing of time."""


Event: TypeAlias = (
    Submit
    | Occupy
    | Began
    | Ended
    | Cancel
    | Finish
    | NodeUp
    | NodeDrain
    | NodeRetire
    | NodeDown
    | SetPolicy
    | Tick
)
