"""First in, first out: each pool starts its oldest workload on the first nodes that hold it.

A pool whose oldest workload does not fit starts nothing else (head-of-line blocking) and is not
looked at again before something in it changes, so that a plan costs what changed and no more.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from scheduler_service.domain.engine import (
    Cancelled,
    Decisions,
    DeviceUse,
    EngineEvent,
    Finished,
    NodeUp,
    Placed,
    PoolUse,
    Refuse,
    Start,
    Submitted,
)
from scheduler_service.domain.homes import Home, Homes, ShelfKey
from scheduler_service.domain.nodes import NodeBook
from scheduler_service.domain.resources import Node, NodeSlice, Placement, ResourceType
from scheduler_service.domain.shelf import Shelf
from scheduler_service.domain.spec import WorkloadSpec


class _Seat(NamedTuple):
    """Where a node's book is kept."""

    shelf: Shelf
    position: int


@dataclass(slots=True)
class _Pool:
    """One pool: its nodes, its queue and how many it runs."""

    shelves: dict[ShelfKey, Shelf] = field(default_factory=dict)
    queue: OrderedDict[str, Home] = field(default_factory=OrderedDict)
    running: int = 0


class FifoEngine:
    """Implements the port ``Engine``."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._seats: dict[str, _Seat] = {}
        self._homes = Homes()
        self._waiting: dict[str, str] = {}
        self._running: dict[str, Placement] = {}
        self._refused: dict[str, Refuse] = {}
        self._changed: dict[str, None] = {}

    def apply(self, event: EngineEvent) -> None:
        """Takes note of something that happened."""
        match event:
            case Submitted(spec):
                self._submit(spec)
            case Finished(workload_id):
                self._release(workload_id)
            case Cancelled(workload_id):
                self._withdraw(workload_id)
                self._release(workload_id)
            case Placed(spec, placement):
                self._occupy(spec.id, placement)
            case NodeUp(node):
                self._add(node)

    def plan(self, now: datetime) -> Decisions:
        """Starts what can start in every pool where something changed."""
        starts = [start for name in self._changed for start in self._starts(self._pools[name])]
        self._changed.clear()
        refusals = list(self._refused.values())
        self._refused.clear()
        return Decisions(starts, refusals)

    def pools(self) -> Sequence[PoolUse]:
        """How each pool is used, by name."""
        return [_use(name, self._pools[name]) for name in sorted(self._pools)]

    def _submit(self, spec: WorkloadSpec) -> None:
        if spec.id in self._waiting or spec.id in self._running:
            return
        home = self._homes.find(spec)
        if isinstance(home, Home):
            queue = self._pools[home.pool].queue
            if not queue:
                self._changed[home.pool] = None
            queue[spec.id] = home
            self._waiting[spec.id] = home.pool
        else:
            self._refused[spec.id] = Refuse(spec.id, home.reason, home.message)

    def _withdraw(self, workload_id: str) -> None:
        self._refused.pop(workload_id, None)
        name = self._waiting.pop(workload_id, None)
        if name is None:
            return
        queue = self._pools[name].queue
        if next(iter(queue)) == workload_id:
            self._changed[name] = None
        del queue[workload_id]

    def _starts(self, pool: _Pool) -> Iterator[Start]:
        while pool.queue:
            workload_id, home = next(iter(pool.queue.items()))
            placement = self._place(home)
            if placement is None:
                return
            del pool.queue[workload_id]
            del self._waiting[workload_id]
            self._running[workload_id] = placement
            pool.running += 1
            yield Start(workload_id, placement)

    def _place(self, home: Home) -> Placement | None:
        for provider, shelf in home.shelves:
            positions = shelf.fitting(home.need, home.nodes)
            if positions is not None:
                slices = tuple(_take(shelf, position, home) for position in positions)
                return Placement(home.pool, provider, slices)
        return None

    def _occupy(self, workload_id: str, placement: Placement) -> None:
        self._running[workload_id] = placement
        self._pools[placement.pool].running += 1
        for part in placement.slices:
            shelf, position = self._seats[part.node_id]
            shelf.books[position].occupy(part)
            shelf.changed(position)

    def _release(self, workload_id: str) -> None:
        placement = self._running.pop(workload_id, None)
        if placement is None:
            return
        self._pools[placement.pool].running -= 1
        self._changed[placement.pool] = None
        for part in placement.slices:
            shelf, position = self._seats[part.node_id]
            shelf.books[position].release(part)
            shelf.changed(position)

    def _add(self, node: Node) -> None:
        pool = self._pools.setdefault(node.pool, _Pool())
        key = ShelfKey.of(node)
        shelf = pool.shelves.setdefault(key, Shelf())
        self._seats[node.id] = _Seat(shelf, shelf.add(NodeBook(node)))
        self._homes.add(node.pool, key, shelf)
        self._changed[node.pool] = None


def _take(shelf: Shelf, position: int, home: Home) -> NodeSlice:
    part = shelf.books[position].take(home.need)
    shelf.changed(position)
    return part


def _use(name: str, pool: _Pool) -> PoolUse:
    books = [
        book for shelf in pool.shelves.values() for book in shelf.books if not book.node.retired
    ]
    limited_cores = [book for book in books if book.node.vcpus]
    limited_memory = [book for book in books if book.node.memory_gb]
    return PoolUse(
        name=name,
        devices=tuple(_device_use(books)),
        nodes=len(books),
        total_vcpus=sum(book.node.vcpus for book in limited_cores),
        free_vcpus=sum(book.cores for book in limited_cores),
        total_memory_gb=sum(book.node.memory_gb for book in limited_memory),
        free_memory_gb=sum(book.memory for book in limited_memory),
        queued=len(pool.queue),
        running=pool.running,
    )


def _device_use(books: list[NodeBook]) -> Iterator[DeviceUse]:
    models: dict[tuple[ResourceType, str], list[NodeBook]] = {}
    for book in books:
        if book.node.devices:
            models.setdefault((book.node.resource_type, book.node.gpu_type), []).append(book)
    for (resource_type, gpu_type), alike in sorted(models.items()):
        yield DeviceUse(
            resource_type=resource_type,
            gpu_type=gpu_type,
            total_milli=1000 * sum(book.node.devices for book in alike),
            free_milli=sum(sum(book.devices) for book in alike),
            free_devices=sum(book.whole for book in alike),
        )
