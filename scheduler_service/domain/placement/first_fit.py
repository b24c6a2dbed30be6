"""The first nodes that fit, in the order of the inventory."""

from itertools import islice

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import Nodes, first
from scheduler_service.domain.scheduling.requests import Shape, Slices


class FirstFit:
    """Implements ``Placement``. Ties cannot be: the lowest node and the lowest devices go first."""

    def place(self, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
        """The lowest nodes that hold the shape."""
        if shape.nodes == 1 and shape.milli == WHOLE and not shape.cpu and not shape.memory:
            node = first(nodes.candidates(shape, allowed))
            return (nodes.pick(node, shape),) if node >= 0 else None
        found = tuple(islice(nodes.fitting(shape, allowed), shape.nodes))
        if len(found) < shape.nodes:
            return None
        return tuple(nodes.pick(node, shape) for node in found)
