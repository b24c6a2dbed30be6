"""How many devices come free if all that is offered is taken, kept up to date node by node.

Work that may be split asks for this at every look, and mostly nearly nothing has changed since.
"""

from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.due import Due


class Gains:
    """What comes free on each node of a set.

    Attributes:
        nodes: that set.
        devices: what comes free on all of them together.
    """

    __slots__ = ("_due", "_on", "devices", "nodes")

    def __init__(self) -> None:
        self.nodes = 0
        self.devices = 0
        self._on: dict[int, int] = {}
        self._due = Due()

    def add(self, node: int, devices: int, until: int | None) -> None:
        """Counts a node that is not counted; ``until`` when that is so, None: until it is told."""
        self._on[node] = devices
        self.nodes |= 1 << node
        self.devices += devices
        self._due.set(node, until)

    def drop(self, node: int) -> None:
        """Counts a node no more, if it is counted."""
        devices = self._on.pop(node, None)
        if devices is not None:
            self.nodes ^= 1 << node
            self.devices -= devices
            self._due.set(node, None)

    def keep(self, nodes: int, now: int) -> None:
        """Drops all but those of a set of which it is still so."""
        for node in self._due.pop(now):
            self.drop(node)
        for node in each(self.nodes & ~nodes):
            self.drop(node)
