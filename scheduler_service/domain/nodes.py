"""What is free on each node: the engine's own books, changed by every take and give."""

from scheduler_service.domain.resources import (
    WHOLE,
    Demand,
    DeviceSlice,
    Node,
    NodeSlice,
)
from servicekit.values import Value

UNLIMITED = 1 << 40


class Need(Value, frozen=True):
    """A demand on one node: whole devices, or a share of one, and what it needs beside them."""

    whole: int
    share: int
    cores: int
    memory: int
    labels: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, demand: Demand) -> "Need":
        """What ``demand`` asks of each of its nodes."""
        devices, milli = demand.devices, demand.milli_per_device
        return cls(
            whole=devices if milli == WHOLE else 0,
            share=milli if devices and milli < WHOLE else 0,
            cores=demand.cores,
            memory=demand.memory_gb,
            labels=frozenset(demand.node_labels),
        )


class NodeBook:
    """One node and what is free on it."""

    __slots__ = ("cores", "devices", "labels", "largest", "memory", "node", "whole")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.labels = frozenset(node.labels)
        self.devices = [WHOLE] * node.devices
        self.whole = node.devices
        self.largest = WHOLE if node.devices else 0
        self.cores = node.vcpus or UNLIMITED
        self.memory = node.memory_gb or UNLIMITED

    def fits_empty(self, need: Need) -> bool:
        """Whether the need would fit if nothing ran here."""
        node = self.node
        return (
            node.devices >= max(need.whole, 1 if need.share else 0)
            and (node.vcpus or UNLIMITED) >= need.cores
            and (node.memory_gb or UNLIMITED) >= need.memory
            and need.labels <= self.labels
        )

    def take(self, need: Need) -> NodeSlice:
        """Takes the need, which fits, and returns what it got: lowest positions, tightest share."""
        if need.share:
            free = self.devices
            tightest = min((milli, at) for at, milli in enumerate(free) if milli >= need.share)
            devices: tuple[DeviceSlice, ...] = (DeviceSlice(tightest[1], need.share),)
        else:
            idle = [at for at, milli in enumerate(self.devices) if milli == WHOLE]
            devices = tuple(DeviceSlice(at, WHOLE) for at in idle[: need.whole])
        node = self.node
        part = NodeSlice(node.id, node.name, node.gpu_type, devices, need.cores, need.memory)
        self.occupy(part)
        return part

    def occupy(self, part: NodeSlice) -> None:
        """Books a slice as taken."""
        self._change(part, -1)

    def release(self, part: NodeSlice) -> None:
        """Books a slice as free again."""
        self._change(part, 1)

    def _change(self, part: NodeSlice, sign: int) -> None:
        for device in part.devices:
            self.devices[device.index] += sign * device.milli_gpu
        if part.devices:
            self.whole = self.devices.count(WHOLE)
            self.largest = max(self.devices)
        self.cores += sign * part.vcpus
        self.memory += sign * part.memory_gb
