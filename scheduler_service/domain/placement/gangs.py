"""Runs that lie on several nodes, for every placement that can choose one."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import each, first
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices

Choose: TypeAlias = Callable[[Nodes, Shape, int], Slice | None]
"""Finds one node for one node's part of a shape, and the devices there; changes nothing."""


def gang(choose: Choose, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
    """One slice on each of ``shape.nodes`` different nodes, chosen one after the other."""
    parts: list[Slice] = []
    for _ in range(shape.nodes):
        part = choose(nodes, shape, allowed)
        if part is None:
            return None
        parts.append(part)
        allowed &= ~nodes.bit[part.node]
    return tuple(parts)


def split(
    choose: Choose, remainder: Choose, nodes: Nodes, shape: Shape, allowed: int
) -> Slices | None:
    """The devices of one run on as few nodes as possible.

    What one node can hold goes to the node that ``choose`` finds. More takes idle nodes of the
    largest size, lowest first, and what is left over goes where ``remainder`` finds room.
    """
    size = largest(nodes, allowed)
    if not size:
        return None
    if shape.devices <= size:
        part = choose(nodes, shape, allowed)
        return None if part is None else (part,)
    count, left = divmod(shape.devices, size)
    parts = _idle(nodes, replace(shape, devices=size), allowed, count)
    if parts is None or not left:
        return parts
    for part in parts:
        allowed &= ~nodes.bit[part.node]
    last = remainder(nodes, replace(shape, devices=left), allowed)
    return None if last is None else (*parts, last)


def emptiest(nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
    """The node with the most idle devices, the lowest of several, if it holds the shape."""
    for idle in range(len(nodes.buckets) - 1, shape.devices - 1, -1):
        for node in each(nodes.buckets[idle] & allowed):
            if nodes.beside(node, shape):
                return nodes.pick(node, shape)
    return None


def fullest(nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
    """The node with the fewest idle devices of those that hold whole devices of a shape.

    The lowest node where several have as few. Costs as many steps as a node has devices, as long
    as a shape asks for devices alone.
    """
    beside = bool(shape.cpu or shape.memory)
    for bucket in nodes.buckets[shape.devices :]:
        found = bucket & allowed
        if not beside:
            if found:
                return nodes.pick(first(found), shape)
            continue
        for node in each(found):
            if nodes.beside(node, shape):
                return nodes.pick(node, shape)
    return None


def devices_alone(shape: Shape) -> bool:
    """Whether a shape asks for whole devices and nothing beside them."""
    return shape.milli == WHOLE and shape.devices > 0 and not shape.cpu and not shape.memory


def largest(nodes: Nodes, allowed: int) -> int:
    """The number of devices of the largest node of a set."""
    for size in range(len(nodes.sizes) - 1, 0, -1):
        if nodes.sizes[size] & allowed:
            return size
    return 0


def _idle(nodes: Nodes, shape: Shape, allowed: int, count: int) -> Slices | None:
    """So many idle nodes of exactly the shape's number of devices, lowest first."""
    size = shape.devices
    found = nodes.buckets[size] & nodes.sizes[size] & allowed
    if found.bit_count() < count:
        return None
    parts: list[Slice] = []
    for node in each(found):
        if len(parts) == count:
            break
        if nodes.beside(node, shape):
            parts.append(nodes.pick(node, shape))
    return tuple(parts) if len(parts) == count else None
