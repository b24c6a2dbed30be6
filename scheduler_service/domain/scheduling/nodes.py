"""The nodes of one pool and what is free on them, indexed by free devices.

All nodes with ``k`` idle devices are one set of bits (``bitsets``), so that "which nodes have at
least two" is a handful of machine operations for each thousand nodes.
"""

from collections.abc import Iterable, Iterator

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import each, lowest
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices

UNLIMITED = 1 << 40
_STEP = 100


class Nodes:
    """What is free where. Nodes are known by their number, in the order of their arrival.

    Attributes:
        specs: each node as it was told.
        bit: each node's own bit.
        whole: idle devices of each node, as a number of devices ...
        idle: ... and as the set of their positions.
        shared: the devices of each node that are held in part, and their free thousandths.
        cpu: free thousandths of cores of each node; ``UNLIMITED`` and more when not limited.
        memory: free MiB of each node, likewise.
        buckets: ``buckets[k]`` is the set of nodes with exactly ``k`` idle devices.
        parts: ``parts[q]`` is the set of nodes whose shared device with the most free has
            ``100 q`` to ``100 q + 99`` thousandths.
        member: the set of nodes that are there for good, whatever their state.
        open: the set of nodes that take new work.
        sizes: ``sizes[k]`` is the set of nodes with ``k`` devices, idle or not.
        tenants: for each node, how many parts of each sort run there; None unless somebody asked.
        taken: counts what takes room.
        freed: counts what makes room; while it stays the same, what did not fit does not fit.
        watchers: sets to which the number of every node is added on which something changes.
    """

    __slots__ = (
        "bit",
        "buckets",
        "cpu",
        "freed",
        "idle",
        "member",
        "memory",
        "number",
        "open",
        "parts",
        "shared",
        "sizes",
        "specs",
        "taken",
        "tenants",
        "watchers",
        "whole",
    )

    def __init__(self) -> None:
        self.specs: list[NodeSpec] = []
        self.number: dict[str, int] = {}
        self.bit: list[int] = []
        self.whole: list[int] = []
        self.idle: list[int] = []
        self.shared: list[dict[int, int]] = []
        self.cpu: list[int] = []
        self.memory: list[int] = []
        self.buckets: list[int] = [0]
        self.parts: list[int] = [0] * (WHOLE // _STEP)
        self.member = 0
        self.open = 0
        self.sizes: list[int] = [0]
        self.tenants: list[dict[int, int]] | None = None
        self.taken = 0
        self.freed = 0
        self.watchers: list[set[int]] = []

    def watch(self) -> set[int]:
        """A set to which the number of every node is added on which something changes.

        It begins with all nodes; whoever watches empties it.
        """
        changed = set(range(len(self.specs)))
        self.watchers.append(changed)
        return changed

    def copy(self) -> "Nodes":
        """The same nodes, to try things on; nobody watches them."""
        copy = Nodes()
        copy.specs, copy.bit, copy.number = self.specs.copy(), self.bit.copy(), self.number
        copy.whole, copy.idle = self.whole.copy(), self.idle.copy()
        copy.shared = [dict(shared) if shared else {} for shared in self.shared]
        copy.cpu, copy.memory = self.cpu.copy(), self.memory.copy()
        copy.buckets, copy.parts = self.buckets.copy(), self.parts.copy()
        copy.member, copy.open = self.member, self.open
        copy.sizes, copy.taken, copy.freed = self.sizes, self.taken, self.freed
        if self.tenants is not None:
            copy.tenants = [dict(tenants) for tenants in self.tenants]
        return copy

    def add(self, spec: NodeSpec) -> int:
        """Adds an idle node that takes work and returns its number."""
        node = len(self.specs)
        self.specs.append(spec)
        self.number[spec.id] = node
        self.bit.append(1 << node)
        self.whole.append(spec.devices)
        self.idle.append((1 << spec.devices) - 1)
        self.shared.append({})
        self.cpu.append(spec.cpu or UNLIMITED)
        self.memory.append(spec.memory or UNLIMITED)
        while len(self.buckets) <= spec.devices:
            self.buckets.append(0)
            self.sizes.append(0)
        self.buckets[spec.devices] |= 1 << node
        self.sizes[spec.devices] |= 1 << node
        if self.tenants is not None:
            self.tenants.append({})
        self.member |= 1 << node
        self.set_open(node, True)
        return node

    def set_open(self, node: int, takes_work: bool) -> None:
        """Says whether a node takes new work."""
        if takes_work:
            self.open |= self.bit[node]
            self.freed += 1
        else:
            self.open &= ~self.bit[node]
        self._changed(node)

    def take(self, slices: Slices, shape: Shape) -> None:
        """Books what a run holds, which fits."""
        for node, devices, milli in slices:
            self.taken += 1
            if milli != WHOLE:
                self._share(node, devices.bit_length() - 1, -milli)
            elif devices:
                old = self.whole[node]
                new = self.whole[node] = old - devices.bit_count()
                bit, buckets = self.bit[node], self.buckets
                self.idle[node] ^= devices
                buckets[old] ^= bit
                buckets[new] ^= bit
            if shape.cpu:
                self.cpu[node] -= shape.cpu
            if shape.memory:
                self.memory[node] -= shape.memory
            if self.tenants is not None:
                self._lodge(node, shape, 1)
            if self.watchers:
                self._changed(node)

    def give(self, slices: Slices, shape: Shape) -> None:
        """Books what a run held as free again."""
        for node, devices, milli in slices:
            self.freed += 1
            if milli != WHOLE:
                self._share(node, devices.bit_length() - 1, milli)
            elif devices:
                old = self.whole[node]
                new = self.whole[node] = old + devices.bit_count()
                bit, buckets = self.bit[node], self.buckets
                self.idle[node] ^= devices
                buckets[old] ^= bit
                buckets[new] ^= bit
            if shape.cpu:
                self.cpu[node] += shape.cpu
            if shape.memory:
                self.memory[node] += shape.memory
            if self.tenants is not None:
                self._lodge(node, shape, -1)
            if self.watchers:
                self._changed(node)

    def note_tenants(self, running: Iterable[tuple[Slices, Shape]]) -> None:
        """Counts from now on which sorts of parts run on each node; ``running`` is what does."""
        self.tenants = [{} for _ in self.specs]
        for slices, shape in running:
            for part in slices:
                self._lodge(part.node, shape, 1)
        for node in range(len(self.specs)):
            self._changed(node)

    def candidates(self, shape: Shape, allowed: int) -> int:
        """The nodes of ``allowed`` with the devices for one node's part of ``shape``.

        Cores and memory are not looked at: see ``fits``.
        """
        need = shape.devices
        if not need:
            return allowed
        found = 0
        if shape.milli == WHOLE:
            for bucket in self.buckets[need:]:
                found |= bucket
            return found & allowed
        for bucket in self.buckets[1:]:
            found |= bucket
        edge = shape.milli // _STEP
        for part in self.parts[edge + 1 :]:
            found |= part
        for node in each(self.parts[edge] & allowed & ~found):
            if max(self.shared[node].values()) >= shape.milli:
                found |= self.bit[node]
        return found & allowed

    def beside(self, node: int, shape: Shape) -> bool:
        """Whether a node has the cores and the memory for its part of ``shape``."""
        return self.cpu[node] >= shape.cpu and self.memory[node] >= shape.memory

    def fitting(self, shape: Shape, allowed: int) -> Iterator[int]:
        """The nodes of ``allowed`` that hold one node's part of ``shape`` now, lowest first."""
        found = self.candidates(shape, allowed)
        if not shape.cpu and not shape.memory:
            return each(found)
        return (node for node in each(found) if self.beside(node, shape))

    def pick(self, node: int, shape: Shape) -> Slice:
        """A slice of a node that fits ``shape``: lowest devices, or the tightest one to share."""
        if shape.milli == WHOLE:
            return Slice(node, lowest(self.idle[node], shape.devices))
        shared = self.shared[node]
        tightest = min(
            ((free, device) for device, free in shared.items() if free >= shape.milli),
            default=(0, -1),
        )[1]
        if tightest < 0:
            tightest = lowest(self.idle[node], 1).bit_length() - 1
        return Slice(node, 1 << tightest, shape.milli)

    def _share(self, node: int, device: int, milli: int) -> None:
        """Changes what is free of a device that is or becomes shared."""
        shared, bit = self.shared[node], self.bit[node]
        before = max(shared.values(), default=0)
        free = shared.pop(device, WHOLE) + milli
        if free < WHOLE:
            if free - milli == WHOLE:
                self._move(node, 1 << device, -1)
            shared[device] = free
        else:
            self._move(node, 1 << device, 1)
        after = max(shared.values(), default=0)
        if before:
            self.parts[before // _STEP] &= ~bit
        if after:
            self.parts[after // _STEP] |= bit

    def _move(self, node: int, devices: int, by: int) -> None:
        old = self.whole[node]
        bit = self.bit[node]
        self.idle[node] ^= devices
        self.whole[node] = old + by
        self.buckets[old] ^= bit
        self.buckets[old + by] ^= bit

    def _lodge(self, node: int, shape: Shape, by: int) -> None:
        if self.tenants is None or not shape.devices:
            return
        tenants, sort = self.tenants[node], sort_of(shape)
        tenants[sort] = tenants.get(sort, 0) + by
        if not tenants[sort]:
            del tenants[sort]

    def _changed(self, node: int) -> None:
        for watcher in self.watchers:
            watcher.add(node)


def sort_of(shape: Shape) -> int:
    """The sort of a part of a run: its number of devices, 0 for a share of one."""
    return shape.devices if shape.milli == WHOLE else 0
