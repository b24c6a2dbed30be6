"""Small clusters, and shapes for them, with which placements are tried."""

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.protocols import Placement
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices


def cluster(*devices: int, cpu: int = 0, model: str = "") -> Nodes:
    """Idle nodes with so many devices each, and so many thousandths of cores."""
    nodes = Nodes()
    for number, count in enumerate(devices):
        nodes.add(NodeSpec(f"n{number}", devices=count, cpu=cpu, model=model))
    return nodes


def share(milli: int, cpu: int = 0) -> Shape:
    """Part of one device."""
    return Shape(milli=milli, cpu=cpu)


def whole(devices: int, cpu: int = 0) -> Shape:
    """Whole devices of one node."""
    return Shape(devices=devices, cpu=cpu)


def hold(nodes: Nodes, node: int, shape: Shape, *devices: int) -> None:
    """Starts a shape on these devices of a node."""
    nodes.take((Slice(node, sum(1 << each for each in devices), shape.milli),), shape)


def node_of(slices: Slices | None) -> int | None:
    """The only node of a placement."""
    if slices is None:
        return None
    (part,) = slices
    return part.node


def put(placement: Placement, nodes: Nodes, shape: Shape) -> int | None:
    """Starts a shape where the placement wants it, and says on which node."""
    slices = placement.place(nodes, shape, nodes.open)
    for part in slices or ():
        nodes.take((part,), shape)
    return node_of(slices)


def part(node: int, *devices: int, milli: int = WHOLE) -> Slice:
    """A slice with these devices."""
    return Slice(node, sum(1 << each for each in devices), milli)
