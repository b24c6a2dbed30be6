"""What the engine says should happen."""

import enum
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.scheduling.requests import Slices


class PreemptionRule(enum.StrEnum):
    """Why a running workload loses what it holds."""

    PRIORITY = "priority"
    RECLAIM = "reclaim"
    ORDER = "order"
    NODE_LOST = "node_lost"


class RefusalReason(enum.StrEnum):
    """Why a workload can never run here; the first that applies is given."""

    MISCONFIGURED = "MISCONFIGURED"
    EXCEEDS_POOL = "EXCEEDS_POOL"


class Start(NamedTuple):
    """Start this workload there. ``served`` is the service that it has had before, and keeps."""

    id: str
    pool: str
    slices: Slices
    served: int = 0


class Preempt(NamedTuple):
    """Stop this workload; it waits again.

    Attributes:
        preemptor: in whose favour; empty when its node was lost.
        served: the service that it keeps, in microseconds.
        lost: the service that it loses, in microseconds times thousandths of a device.
    """

    id: str
    preemptor: str
    rule: PreemptionRule
    served: int
    lost: int


class Refuse(NamedTuple):
    """End this workload: it can never run here."""

    id: str
    reason: RefusalReason
    message: str


Decision: TypeAlias = Start | Preempt | Refuse
