"""The fullest node that fits, or the emptiest."""

from scheduler_service.domain.placement import gangs
from scheduler_service.domain.placement.rules import LeastLeft, MostLeft
from scheduler_service.domain.placement.scored import Cheapest
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape, Slice


class Fullest(Cheapest):
    """Best fit, also known as consolidation.

    Work that asks for whole devices and nothing else goes to the node with the fewest idle ones
    that fits, other work by ``LeastLeft``; the lowest node wins a tie. What needs more than a node
    takes idle nodes and, for the rest, the node with the most idle devices.
    """

    def __init__(self) -> None:
        super().__init__(LeastLeft())

    def choose(self, nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
        """The fullest node that holds one node's part of the shape."""
        if gangs.devices_alone(shape):
            return gangs.fullest(nodes, shape, allowed)
        return super().choose(nodes, shape, allowed)


class Spread(Cheapest):
    """Worst fit: load is spread over the nodes.

    Work that asks for whole devices and nothing else goes to the node with the most idle ones,
    other work by ``MostLeft``; the lowest node wins a tie.
    """

    def __init__(self) -> None:
        super().__init__(MostLeft())

    def choose(self, nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
        """The emptiest node that holds one node's part of the shape."""
        if gangs.devices_alone(shape):
            return gangs.emptiest(nodes, shape, allowed)
        return super().choose(nodes, shape, allowed)
