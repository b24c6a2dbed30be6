"""Between a service's words and the engine's units."""

from collections.abc import Callable, Sequence

from scheduler_service.domain.resources import WHOLE, DeviceSlice, Node, NodeSlice, Placement
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.requests import RANKS, Shape, Slice, Slices
from scheduler_service.domain.spec import PriorityClass, WorkloadSpec

_CLASSES = {PriorityClass.LOW: 0, PriorityClass.MEDIUM: 1, PriorityClass.HIGH: 2}
_CORE, _GIB = 1_000, 1_024


def shape_of(spec: WorkloadSpec) -> Shape:
    """What a workload asks of nodes."""
    demand = spec.demand
    return Shape(
        resource_type=demand.resource_type,
        devices=demand.devices,
        milli=demand.milli_per_device if demand.devices else WHOLE,
        nodes=demand.nodes,
        models=demand.gpu_types,
        ranked=len(demand.gpu_types) > 1,
        cpu=demand.cores * _CORE,
        memory=demand.memory_gb * _GIB,
        device_memory=demand.device_memory_gb,
        labels=demand.node_labels,
        pool=spec.pool,
        provider=spec.provider,
    )


def priority_of(spec: WorkloadSpec) -> int:
    """Class and rank within it as one number, the greater the sooner."""
    return _CLASSES[spec.priority_class] * RANKS + spec.priority


def node_spec(node: Node) -> NodeSpec:
    """What the engine knows of a node."""
    return NodeSpec(
        node.id,
        node.pool,
        node.provider,
        node.resource_type,
        node.gpu_type,
        node.devices,
        node.device_memory_gb,
        node.vcpus * _CORE,
        node.memory_gb * _GIB,
        node.labels,
    )


def placement_of(pool: str, slices: Slices, nodes: Sequence[Node], shape: Shape) -> Placement:
    """Where a run was put; ``nodes`` are those of the slices."""
    return Placement(
        pool,
        nodes[0].provider,
        tuple(
            NodeSlice(
                node.id,
                node.name,
                node.gpu_type,
                tuple(DeviceSlice(device, part.milli) for device in each(part.devices)),
                shape.cpu // _CORE,
                shape.memory // _GIB,
            )
            for part, node in zip(slices, nodes, strict=True)
        ),
    )


def slices_of(placement: Placement, number: Callable[[str], int]) -> Slices:
    """A placement in the engine's units; ``number`` is that of a node in its pool."""
    return tuple(
        Slice(
            number(part.node_id),
            sum(1 << device.index for device in part.devices),
            part.devices[0].milli_gpu if part.devices else WHOLE,
        )
        for part in placement.slices
    )
