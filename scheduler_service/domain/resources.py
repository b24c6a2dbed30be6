"""What work asks for, and the part of the inventory that it is given."""

import enum

from servicekit.values import Value

WHOLE = 1000
"""Thousandths of one whole device."""


class ResourceType(enum.StrEnum):
    """Kind of device that work runs on."""

    GPU = "gpu"
    CPU = "cpu"
    NPU = "npu"
    TPU = "tpu"


class Demand(Value, frozen=True):
    """What one run needs; every quantity is per node.

    Attributes:
        gpu_type: device model; empty accepts every model.
        count: devices; processor cores when the resource type is CPU.
        milli_per_device: share of each device in thousandths; below 1000 only with one device.
        memory_gb: main memory in GiB; 0 asks for none in particular.
        vcpus: processor cores; 0 asks for none in particular.
        nodes: nodes that start together, all or none.
        alternative_gpu_types: acceptable models, in order of preference after ``gpu_type``.
        device_memory_gb: least memory of each device in GiB.
        node_labels: labels that each node must carry, sorted by name.
    """

    resource_type: ResourceType = ResourceType.GPU
    gpu_type: str = ""
    count: int = 1
    milli_per_device: int = WHOLE
    memory_gb: int = 0
    vcpus: int = 0
    nodes: int = 1
    alternative_gpu_types: tuple[str, ...] = ()
    device_memory_gb: int = 0
    node_labels: tuple[tuple[str, str], ...] = ()

    @property
    def devices(self) -> int:
        """Devices on each node; none for work on processor cores."""
        return 0 if self.resource_type is ResourceType.CPU else self.count

    @property
    def cores(self) -> int:
        """Processor cores on each node."""
        if self.resource_type is ResourceType.CPU:
            return max(self.vcpus, self.count)
        return self.vcpus

    @property
    def milli_gpus(self) -> int:
        """Devices of the whole run, in thousandths."""
        return self.nodes * self.devices * self.milli_per_device

    @property
    def gpu_types(self) -> tuple[str, ...]:
        """Acceptable models in order of preference; empty means every model."""
        return (self.gpu_type, *self.alternative_gpu_types) if self.gpu_type else ()


class DeviceSlice(Value, frozen=True):
    """Part of one device: its position in its node, from 0, and the share held in thousandths."""

    index: int
    milli_gpu: int


class NodeSlice(Value, frozen=True):
    """Part of one node that a run holds."""

    node_id: str
    node: str
    gpu_type: str
    devices: tuple[DeviceSlice, ...]
    vcpus: int
    memory_gb: int


class Placement(Value, frozen=True):
    """Where a run was put: one slice for each of its nodes."""

    pool: str
    provider: str
    slices: tuple[NodeSlice, ...]


class Pool(Value, frozen=True):
    """A group of nodes that work is queued for together; ``environment`` says what it is for."""

    name: str
    environment: str = ""
    description: str = ""


class Node(Value, frozen=True):
    """One machine of the inventory.

    Attributes:
        id: unique, and the same after every restart.
        gpu_type: model of its devices; empty when it has none.
        devices: how many it has.
        device_memory_gb: memory of each device in GiB; 0 when it is not known.
        vcpus: processor cores; 0 means that they are not limited.
        memory_gb: main memory in GiB; 0 means that it is not limited.
        labels: sorted by name.
        retired: no longer in the inventory; it keeps what runs on it and gets nothing new.
    """

    id: str
    name: str
    pool: str
    provider: str
    resource_type: ResourceType
    gpu_type: str
    devices: int
    device_memory_gb: int = 0
    vcpus: int = 0
    memory_gb: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    retired: bool = False


def device_id(node_id: str, index: int) -> str:
    """The id of one device of a node."""
    return f"{node_id}/{index}"
