"""Workloads, placements, nodes and events as the bytes that rows hold: JSON.

New optional fields do no harm to what was written before them.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from scheduler_service.domain.events import (
    WorkloadCancelled,
    WorkloadEvent,
    WorkloadFinished,
    WorkloadPreempted,
    WorkloadQueued,
    WorkloadRefused,
    WorkloadStarted,
)
from scheduler_service.domain.resources import Node, Placement
from scheduler_service.domain.workload import Workload

_DECODE: dict[str, Callable[[bytes], Any]] = {
    event.kind: msgspec.json.Decoder(event).decode
    for event in (
        WorkloadQueued,
        WorkloadStarted,
        WorkloadFinished,
        WorkloadCancelled,
        WorkloadPreempted,
        WorkloadRefused,
    )
}

encode = msgspec.json.Encoder().encode
"""Returns the bytes of a workload, placement, node or event."""

decode_workload = msgspec.json.Decoder(Workload).decode
decode_placement = msgspec.json.Decoder(Placement).decode
decode_node = msgspec.json.Decoder(Node).decode


def decode_event(kind: str, payload: bytes) -> WorkloadEvent:
    """Returns the event that was encoded; its kind stands beside it in the log."""
    event: WorkloadEvent = _DECODE[kind](payload)
    return event
