"""Brings the stored inventory in line with the one that is configured."""

from collections.abc import Sequence
from typing import ClassVar

from scheduler_service.application.ports import UnitOfWork
from scheduler_service.domain.resources import Node, Pool
from servicekit.values import Value, replace


class InventoryChange(Value, frozen=True):
    """How many nodes were added, removed, and kept for what runs on them."""

    added: int
    removed: int
    retired: int


class SyncInventory(Value, frozen=True):
    """Adds new nodes and removes absent ones; what runs is never touched.

    A node that is absent, or wanted with other devices, is retired while something runs on it: it
    gets nothing new, and goes (or changes) at the first start after its last run has ended.
    """

    name: ClassVar[str] = "inventory.sync"
    pools: Sequence[Pool]
    nodes: Sequence[Node]

    def run(self, unit: UnitOfWork) -> InventoryChange:
        """What was changed."""
        stored = {node.id: node for node in unit.inventory.nodes()}
        busy = unit.inventory.in_use()
        wanted = {node.id: node for node in self.nodes}
        obsolete = [node for node in stored.values() if wanted.get(node.id) != _active(node)]
        unit.inventory.remove([node.id for node in obsolete if node.id not in busy])
        retired = {node.id: replace(node, retired=True) for node in obsolete if node.id in busy}
        present = [retired.get(node.id, node) for node in self.nodes]
        absent = [node for node in retired.values() if node.id not in wanted]
        for position, node in enumerate([*present, *absent]):
            unit.inventory.put(node, position)
        unit.inventory.set_pools(self.pools)
        return InventoryChange(
            added=len(wanted.keys() - stored.keys()),
            removed=len(obsolete) - len(retired),
            retired=len(retired),
        )


def _active(node: Node) -> Node:
    return replace(node, retired=False)
