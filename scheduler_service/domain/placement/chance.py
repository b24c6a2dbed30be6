"""A node by chance, the same chance for the same seed and the same past."""

from hashlib import blake2b

from scheduler_service.domain.placement import gangs
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices


class Chance:
    """Implements ``Placement``: each node that fits is as likely as any other.

    A share goes to one of the node's devices that hold it, likewise. Chance is a hash of the seed
    and of how often devices were taken and given back, so that asking twice gives one answer and
    nothing is kept. There are no ties. The yardstick "Random" of Weng et al., "Beware of
    Fragmentation", USENIX ATC 2023, section 6.1.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def place(self, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
        """Some nodes that hold the shape."""
        if shape.split:
            return gangs.split(self._choose, self._choose, nodes, shape, allowed)
        return gangs.gang(self._choose, nodes, shape, allowed)

    def _choose(self, nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
        fitting = list(nodes.fitting(shape, allowed))
        if not fitting:
            return None
        number = self._number(nodes)
        node = fitting[number % len(fitting)]
        if shape.milli == WHOLE:
            return nodes.pick(node, shape)
        shared = [device for device, free in nodes.shared[node].items() if free >= shape.milli]
        able = sorted([*shared, *each(nodes.idle[node])])
        device = able[number // len(fitting) % len(able)]
        return Slice(node, 1 << device, shape.milli)

    def _number(self, nodes: Nodes) -> int:
        past = f"{self._seed}/{nodes.taken}/{nodes.freed}".encode()
        return int.from_bytes(blake2b(past, digest_size=16).digest())
