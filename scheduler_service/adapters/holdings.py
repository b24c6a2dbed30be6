"""What there is and who holds it: nodes and devices with their free parts, and allocations."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from scheduler_service.adapters.documents import decode_node, decode_placement, encode
from scheduler_service.adapters.tables import ALLOCATIONS, DEVICES, LIVE, NODES, POOLS
from scheduler_service.domain.errors import DeviceTaken
from scheduler_service.domain.resources import WHOLE, Node, NodeSlice, Placement, Pool, device_id
from servicekit.clock import to_micros
from servicekit.statements import Row
from servicekit.transaction import Transaction


class SqlAllocations:
    """Allocations as rows, and their bookings on devices and nodes."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self, allocation_ids: Iterable[str], placements: Iterable[Placement]) -> None:
        """Reads many allocations, and the devices and nodes of many placements, at once."""
        parts = [part for placement in placements for part in placement.slices]
        devices = [
            device_id(part.node_id, device.index) for part in parts for device in part.devices
        ]
        nodes = [part.node_id for part in parts if part.vcpus or part.memory_gb]
        self._transaction.load(ALLOCATIONS, allocation_ids)
        self._transaction.load(DEVICES, devices)
        self._transaction.load(NODES, nodes)

    def open(
        self, allocation_id: str, workload_id: str, placement: Placement, now: datetime
    ) -> None:
        """Books a placement for a workload; DeviceTaken where less is free than it asks for."""
        row = {
            "id": allocation_id,
            "workload_id": workload_id,
            "started_at": to_micros(now),
            "ended_at": None,
            "document": encode(placement),
        }
        self._transaction.insert(ALLOCATIONS, row)
        for part in placement.slices:
            self._book(part, -1)

    def end(self, allocation_id: str, placement: Placement, now: datetime) -> None:
        """Gives back what an allocation held."""
        self._transaction.update(ALLOCATIONS, {"id": allocation_id, "ended_at": to_micros(now)})
        for part in placement.slices:
            self._book(part, 1)

    def _book(self, part: NodeSlice, sign: int) -> None:
        for device in part.devices:
            name = device_id(part.node_id, device.index)
            row = self._transaction.get(DEVICES, name)
            free = row["free_milli"] + sign * device.milli_gpu if row else -1
            if not 0 <= free <= WHOLE:
                raise DeviceTaken(f"Device {name} has no {device.milli_gpu} thousandths to book.")
            self._transaction.update(DEVICES, {"id": name, "free_milli": free})
        if part.vcpus or part.memory_gb:
            self._book_node(part, sign)

    def _book_node(self, part: NodeSlice, sign: int) -> None:
        row = self._transaction.get(NODES, part.node_id)
        if row is None:
            raise DeviceTaken(f"There is no node {part.node_id} to book.")
        changed: Row = {"id": part.node_id}
        for column, asked in (("free_vcpus", part.vcpus), ("free_memory_gb", part.memory_gb)):
            if row[column] is not None:
                changed[column] = row[column] + sign * asked
                if changed[column] < 0:
                    raise DeviceTaken(f"Node {part.node_id} has less {column} than {asked}.")
        if len(changed) > 1:
            self._transaction.update(NODES, changed)


class SqlInventory:
    """Nodes, devices and pools as rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def nodes(self) -> Sequence[Node]:
        """Returns every node, retired ones too, in the order of the inventory."""
        query = sa.select(NODES.c.document).order_by(NODES.c.position)
        return [decode_node(row["document"]) for row in self._transaction.select(query)]

    def in_use(self) -> frozenset[str]:
        """Returns the ids of the nodes that live allocations hold a part of."""
        query = sa.select(ALLOCATIONS.c.document).where(LIVE)
        placements = (decode_placement(row["document"]) for row in self._transaction.select(query))
        return frozenset(part.node_id for placement in placements for part in placement.slices)

    def put(self, node: Node, position: int) -> None:
        """Adds a node with all its devices free, or replaces one; its devices stay as they are."""
        row: Row = {"id": node.id, "position": position, "document": encode(node)}
        if self._transaction.get(NODES, node.id) is not None:
            self._transaction.update(NODES, row)
            return
        limits = {"free_vcpus": node.vcpus or None, "free_memory_gb": node.memory_gb or None}
        self._transaction.insert(NODES, row | limits)
        for index in range(node.devices):
            device = {
                "id": device_id(node.id, index),
                "node_id": node.id,
                "pool": node.pool,
                "gpu_type": node.gpu_type,
                "free_milli": WHOLE,
            }
            self._transaction.insert(DEVICES, device)

    def remove(self, node_ids: Sequence[str]) -> None:
        """Removes nodes on which nothing runs."""
        self._transaction.execute(DEVICES.delete().where(DEVICES.c.node_id.in_(node_ids)))
        self._transaction.execute(NODES.delete().where(NODES.c.id.in_(node_ids)))

    def set_pools(self, pools: Sequence[Pool]) -> None:
        """Replaces what is known of pools beside their nodes."""
        self._transaction.execute(POOLS.delete())
        for pool in pools:
            row = {
                "name": pool.name,
                "environment": pool.environment,
                "description": pool.description,
            }
            self._transaction.insert(POOLS, row)
