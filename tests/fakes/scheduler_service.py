"""The ports of scheduler_service in memory, held to the same contract suite as the databases."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduler_service.application.ports import (
    Page,
    Snapshot,
    WorkloadFilter,
)
from scheduler_service.domain.errors import DeviceTaken
from scheduler_service.domain.events import WorkloadEvent
from scheduler_service.domain.resources import WHOLE, Node, Placement, Pool
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.errors import Aborted


@dataclass
class FakeWorkloads:
    """Workloads in a dictionary, in the order of arrival."""

    by_id: dict[str, Workload] = field(default_factory=dict)

    def load(self, workload_ids: Iterable[str]) -> None:
        """Has everything already."""

    def get(self, workload_id: str) -> Workload | None:
        return self.by_id.get(workload_id)

    def add(self, workload: Workload) -> None:
        if workload.spec.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[workload.spec.id] = workload

    def replace(self, workload: Workload) -> None:
        if workload.spec.id not in self.by_id:
            raise LookupError(workload.spec.id)
        self.by_id[workload.spec.id] = workload


@dataclass
class FakeHoldings:
    """Allocations, nodes with what is free on them, and pools."""

    all_nodes: dict[str, tuple[int, Node]] = field(default_factory=dict)
    free_devices: dict[tuple[str, int], int] = field(default_factory=dict)
    free_beside: dict[str, list[int]] = field(default_factory=dict)
    live: dict[str, Placement] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    all_pools: list[Pool] = field(default_factory=list)

    def load(self, allocation_ids: Iterable[str], placements: Iterable[Placement]) -> None:
        """Has everything already."""

    def open(
        self, allocation_id: str, workload_id: str, placement: Placement, now: datetime
    ) -> None:
        if workload_id in self.placed:
            raise Aborted("a workload is placed once")
        self.placed.add(workload_id)
        self.live[allocation_id] = placement
        self._book(placement, -1)

    def end(self, allocation_id: str, placement: Placement, now: datetime) -> None:
        del self.live[allocation_id]
        self._book(placement, 1)

    def _book(self, placement: Placement, sign: int) -> None:
        for part in placement.slices:
            if part.node_id not in self.all_nodes:
                raise DeviceTaken(part.node_id)
            for device in part.devices:
                key = (part.node_id, device.index)
                self.free_devices[key] = self.free_devices.get(key, 0) + sign * device.milli_gpu
                if not 0 <= self.free_devices[key] <= WHOLE:
                    raise DeviceTaken(str(key))
            self._book_beside(part.node_id, sign * part.vcpus, sign * part.memory_gb)

    def _book_beside(self, node_id: str, vcpus: int, memory_gb: int) -> None:
        node, free = self.all_nodes[node_id][1], self.free_beside[node_id]
        free[0] += vcpus
        free[1] += memory_gb
        if (node.vcpus and free[0] < 0) or (node.memory_gb and free[1] < 0):
            raise DeviceTaken(node_id)

    def nodes(self) -> Sequence[Node]:
        return [node for _, node in sorted(self.all_nodes.values(), key=lambda entry: entry[0])]

    def in_use(self) -> frozenset[str]:
        return frozenset(part.node_id for it in self.live.values() for part in it.slices)

    def put(self, node: Node, position: int) -> None:
        if node.id not in self.all_nodes:
            self.free_devices.update({(node.id, at): WHOLE for at in range(node.devices)})
            self.free_beside[node.id] = [node.vcpus, node.memory_gb]
        self.all_nodes[node.id] = (position, node)

    def remove(self, node_ids: Sequence[str]) -> None:
        for node_id in node_ids:
            _, node = self.all_nodes.pop(node_id)
            for at in range(node.devices):
                del self.free_devices[node_id, at]

    def set_pools(self, pools: Sequence[Pool]) -> None:
        self.all_pools = sorted(pools, key=lambda pool: pool.name)


@dataclass
class FakeCancellations:
    """Early cancellations in a dictionary."""

    waiting: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def load(self, workload_ids: Iterable[str]) -> None:
        """Has everything already."""

    def reason(self, workload_id: str) -> str | None:
        found = self.waiting.get(workload_id)
        return found[0] if found else None

    def add(self, workload_id: str, reason: str, expires_at: datetime) -> None:
        self.waiting[workload_id] = (reason, expires_at)

    def forget(self, before: datetime) -> int:
        kept = {key: it for key, it in self.waiting.items() if it[1] >= before}
        forgotten = len(self.waiting) - len(kept)
        self.waiting = kept
        return forgotten


@dataclass
class FakeEvents:
    """Events in a list."""

    appended: list[WorkloadEvent] = field(default_factory=list)

    def append(self, *change: WorkloadEvent, at: datetime) -> None:
        self.appended += change


@dataclass
class FakeUnit:
    """Everything in memory."""

    workloads: FakeWorkloads = field(default_factory=FakeWorkloads)
    allocations: FakeHoldings = field(default_factory=FakeHoldings)
    cancellations: FakeCancellations = field(default_factory=FakeCancellations)
    events: FakeEvents = field(default_factory=FakeEvents)

    @property
    def inventory(self) -> FakeHoldings:
        return self.allocations


@dataclass
class FakeStore:
    """The writer and the reader over one unit that stays. A refused command changes nothing."""

    unit: FakeUnit = field(default_factory=FakeUnit)

    async def execute(self, command: Any) -> Any:
        return self.execute_now(command)

    def execute_now(self, command: Any) -> Any:
        trial = copy.deepcopy(self.unit)
        if hasattr(command, "prefetch"):
            command.prefetch(trial, [command])
        answer = command.run(trial)
        self.unit = trial
        return answer

    async def snapshot(self) -> Snapshot:
        workloads = self.unit.workloads.by_id.values()
        return Snapshot(
            revision=len(self.unit.events.appended),
            nodes=self.unit.inventory.nodes(),
            queued=[it for it in workloads if it.state is WorkloadState.QUEUED],
            running=[it for it in workloads if it.state is WorkloadState.RUNNING],
            past=sorted((it for it in workloads if it.placement and it.ended_at), key=_end),
        )

    async def workload(self, workload_id: str) -> Workload | None:
        return self.unit.workloads.get(workload_id)

    async def running(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        running = (await self.snapshot()).running
        return [it for it in running if it.spec.id in workload_ids]

    async def workloads(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        return [it for key, it in self.unit.workloads.by_id.items() if key in workload_ids]

    async def page(self, wanted: WorkloadFilter, size: int, after: int) -> Page:
        matching = [
            (position, it)
            for position, it in enumerate(self.unit.workloads.by_id.values(), 1)
            if position > after and self._matches(it, wanted)
        ]
        last = matching[size - 1][0] if len(matching) > size else None
        return Page([it for _, it in matching[:size]], last)

    async def pools(self) -> Sequence[Pool]:
        return self.unit.inventory.all_pools

    def _matches(self, it: Workload, wanted: WorkloadFilter) -> bool:
        pool = it.placement.pool if it.placement else it.spec.pool
        held = self.unit.allocations.live.get(it.allocation_id)
        return (
            (not wanted.states or it.state in wanted.states)
            and wanted.pool in ("", pool)
            and wanted.owner_id in ("", it.spec.owner_id)
            and wanted.team in ("", it.spec.team)
            and wanted.job_id in ("", it.spec.job_id)
            and (not wanted.node_id or _has_part_of(held, wanted.node_id))
        )


def _has_part_of(placement: Placement | None, node_id: str) -> bool:
    return placement is not None and any(it.node_id == node_id for it in placement.slices)


def _end(it: Workload) -> datetime:
    assert it.ended_at is not None
    return it.ended_at
