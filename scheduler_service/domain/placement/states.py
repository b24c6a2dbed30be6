"""What is free on a node, without the node: nodes that are alike in it are alike to a placement."""

from bisect import insort
from collections.abc import Iterator
from typing import NamedTuple

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import UNLIMITED, Nodes
from scheduler_service.domain.scheduling.requests import Shape


class State(NamedTuple):
    """What is free on a node, and what a placement may know of it besides.

    Attributes:
        devices: how many it has, idle or not.
        cpu: free thousandths of cores; ``UNLIMITED`` when they are not limited. So is ``memory``.
        whole: idle devices.
        shared: free thousandths of each device that is held in part, ascending; those that are
            full are left out.
        tenants: the sorts of tasks with devices that run there, ascending; see ``sort_of``. Empty
            where nobody asks for it.
    """

    model: str
    devices: int
    cpu: int
    memory: int
    whole: int
    shared: tuple[int, ...] = ()
    tenants: tuple[int, ...] = ()

    @property
    def free(self) -> int:
        """Free thousandths of all devices."""
        return WHOLE * self.whole + sum(self.shared)


def state_of(nodes: Nodes, node: int) -> State:
    """The state of a node."""
    spec, shared = nodes.specs[node], nodes.shared[node]
    tenants = nodes.tenants
    return State(
        spec.model,
        spec.devices,
        nodes.cpu[node] if spec.cpu else UNLIMITED,
        nodes.memory[node] if spec.memory else UNLIMITED,
        nodes.whole[node],
        tuple(sorted(filter(None, shared.values()))) if shared else (),
        tuple(sorted(tenants[node])) if tenants is not None else (),
    )


def fits(state: State, shape: Shape) -> bool:
    """Whether a node in this state holds one node's part of a shape."""
    if state.cpu < shape.cpu or state.memory < shape.memory:
        return False
    if shape.milli == WHOLE:
        return state.whole >= shape.devices
    return state.whole > 0 or (bool(state.shared) and state.shared[-1] >= shape.milli)


def choices(state: State, shape: Shape) -> Iterator[int]:
    """The different amounts that devices have free on which a share could be put, least first.

    For whole devices, ``WHOLE`` alone: one idle device is like another.
    """
    last = 0
    if shape.milli < WHOLE:
        for free in state.shared:
            if free >= shape.milli and free != last:
                last = free
                yield free
    if state.whole or not shape.devices:
        yield WHOLE


def after(state: State, shape: Shape, free: int) -> State:
    """The state when the shape has started there, with a share on a device with ``free``.

    Tenants are left as they were.
    """
    model, devices, cpu, memory, whole, shared, tenants = state
    if cpu < UNLIMITED:
        cpu -= shape.cpu
    if memory < UNLIMITED:
        memory -= shape.memory
    if shape.milli == WHOLE:
        whole -= shape.devices
    else:
        rest = list(shared)
        if free == WHOLE:
            whole -= 1
        else:
            rest.remove(free)
        if free > shape.milli:
            insort(rest, free - shape.milli)
        shared = tuple(rest)
    return State(model, devices, cpu, memory, whole, shared, tenants)
