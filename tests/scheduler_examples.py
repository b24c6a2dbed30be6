"""Things that several tests speak of."""

from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler_service.application.commands import EnqueueWorkloads, PlannedStart, StartWorkloads
from scheduler_service.application.inventory import SyncInventory
from scheduler_service.application.ports import FinishedRun, Run
from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.resources import (
    Demand,
    DeviceSlice,
    Node,
    NodeSlice,
    Placement,
    Pool,
    ResourceType,
)
from scheduler_service.domain.spec import WorkloadSpec
from scheduler_service.domain.workload import Workload
from tests.fakes.scheduler_service import FakeStore

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED)
POOL = Pool("training", "production", "For training.")
NODE = Node("n0", "n0", "training", "local", ResourceType.GPU, "A100", 2, 80, 8, 64)


def workload(workload_id: str = "w", **fields: Any) -> Workload:
    """A waiting workload that asks for one device."""
    return Workload(spec=WorkloadSpec(id=workload_id, job_id="j", **fields), enqueued_at=NOW)


def placement(*devices: int, milli: int = 1000, vcpus: int = 0, node: str = "n0") -> Placement:
    """These devices of a node."""
    held = tuple(DeviceSlice(index, milli) for index in devices)
    return Placement("training", "local", (NodeSlice(node, node, "A100", held, vcpus, 0),))


def planned(workload_id: str, *devices: int, **fields: Any) -> PlannedStart:
    """The decision to start a workload on these devices."""
    return PlannedStart(workload_id, f"allocation of {workload_id}", placement(*devices, **fields))


def store(*workloads: Workload, nodes: tuple[Node, ...] = (NODE,)) -> FakeStore:
    """A store with one pool, and these workloads waiting in it."""
    it = FakeStore()
    it.execute_now(SyncInventory([POOL], nodes))
    it.execute_now(EnqueueWorkloads(workloads, NOW))
    return it


def start(it: FakeStore, *starts: PlannedStart) -> Any:
    """Carries these decisions out."""
    return it.execute_now(StartWorkloads(starts, (), NOW))


def result(it: Workload, seconds: float = 60, outcome: Outcome = SUCCEEDED) -> FinishedRun:
    """What a backend says at the end of a running workload."""
    assert it.placement is not None
    assert it.started_at is not None
    run = Run(it.allocation_id, it.spec, it.program, it.simulation, it.placement, it.started_at)
    return FinishedRun(run, outcome, timedelta(seconds=seconds))


def gang(nodes: int, count: int, milli: int = 1000) -> Demand:
    """A demand for so many devices on so many nodes."""
    return Demand(nodes=nodes, count=count, milli_per_device=milli)
