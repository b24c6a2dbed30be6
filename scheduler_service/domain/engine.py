"""The port of the scheduling engine: a deterministic state machine that decides and does nothing.

The engine is told what happened and, when asked, says what should happen next. It keeps its own
indexes, reads no clock and has no randomness, so that the same events give the same decisions.
What it has decided it counts as done: a start that then does not take place is told to it as the
cancellation of that workload.
"""

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from scheduler_service.domain.resources import Node, Placement, ResourceType
from scheduler_service.domain.spec import WorkloadSpec
from servicekit.values import Value


class NodeUp(Value, frozen=True):
    """A node is there, or a retired one is still there."""

    node: Node


class Submitted(Value, frozen=True):
    """A workload waits from now on, behind all that were submitted before."""

    spec: WorkloadSpec


class Placed(Value, frozen=True):
    """A workload runs already: told while the engine's state is rebuilt."""

    spec: WorkloadSpec
    placement: Placement


class Cancelled(Value, frozen=True):
    """A workload neither waits nor runs any more. Unknown ids are passed over."""

    workload_id: str


class Finished(Value, frozen=True):
    """A running workload has ended. Unknown ids are passed over."""

    workload_id: str


EngineEvent: TypeAlias = NodeUp | Submitted | Placed | Cancelled | Finished


class RefusalReason(enum.StrEnum):
    """Why a workload can never run here; the first that applies is given."""

    MISCONFIGURED = "MISCONFIGURED"
    EXCEEDS_POOL = "EXCEEDS_POOL"


class Start(Value, frozen=True):
    """Start this workload there."""

    workload_id: str
    placement: Placement


class Refuse(Value, frozen=True):
    """End this workload: it can never run here."""

    workload_id: str
    reason: RefusalReason
    message: str


class Decisions(Value, frozen=True):
    """What should happen next; starts are in the order in which they were decided."""

    starts: Sequence[Start] = ()
    refusals: Sequence[Refuse] = ()

    def __bool__(self) -> bool:
        return bool(self.starts or self.refusals)


class DeviceUse(Value, frozen=True):
    """Devices of one model in one pool: all of them and the free part, in thousandths."""

    resource_type: ResourceType
    gpu_type: str
    total_milli: int
    free_milli: int
    free_devices: int


class PoolUse(Value, frozen=True):
    """How a pool is used now, retired nodes left out.

    Processor cores and memory count only on nodes where they are limited.
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


class Engine(Protocol):
    """Decides what starts where."""

    def apply(self, event: EngineEvent) -> None:
        """Takes note of something that happened."""

    def plan(self, now: datetime) -> Decisions:
        """Says what should happen next, and counts it as done."""

    def pools(self) -> Sequence[PoolUse]:
        """How each pool is used, by name."""
