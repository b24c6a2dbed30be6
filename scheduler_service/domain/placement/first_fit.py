"""The first nodes that fit, in the order of the inventory."""

from scheduler_service.domain.placement import gangs
from scheduler_service.domain.scheduling.bitsets import first
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices


class FirstFit:
    """Implements ``Placement``: the lowest node that fits and its lowest devices.

    A share goes to the tightest device of that node. A run over several nodes that is not a gang
    takes the lowest idle nodes, and the rest of it the lowest node with room (first fit). There
    are no ties.
    """

    def place(self, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
        """The lowest nodes that hold the shape."""
        if shape.split:
            return gangs.split(_choose, _choose, nodes, shape, allowed)
        if shape.nodes > 1:
            return gangs.gang(_choose, nodes, shape, allowed)
        part = _choose(nodes, shape, allowed)
        return None if part is None else (part,)


def _choose(nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
    if gangs.devices_alone(shape):
        node = first(nodes.candidates(shape, allowed))
    else:
        node = next(nodes.fitting(shape, allowed), -1)
    return nodes.pick(node, shape) if node >= 0 else None
