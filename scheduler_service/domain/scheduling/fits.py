"""Which pool a shape belongs to, and on which of its nodes to look, the preferred first.

The answer depends on what is asked for and on what there is, never on what is free, so it is worked
out once for each shape.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.decisions import RefusalReason
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.nodes import UNLIMITED, Nodes
from scheduler_service.domain.scheduling.requests import Shape

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.queue import Group


@dataclass(slots=True)
class Fit:
    """Where a shape may run: sets of nodes of one pool, of which the first that holds it is taken.

    Attributes:
        usable: all of ``tiers`` together.
        group: whom of this shape others wait together with where teams do not count; it belongs to
            the queue in which it was first used.
        blocked: the pool's count of freed room when this shape was last found to fit nowhere.
    """

    shape: Shape
    pool: str
    tiers: tuple[int, ...]
    usable: int
    group: "Group | None" = field(default=None, repr=False, compare=False)
    blocked: int = field(default=-1, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class NoFit:
    """Why no pool can ever hold a shape."""

    reason: RefusalReason
    message: str


def find(shape: Shape, pools: dict[str, Nodes]) -> Fit | NoFit:
    """The pool that the shape names, or the first that could ever hold it, if nothing else ran."""
    known = False
    for name in _pools_in_order(shape, pools):
        if name in pools:
            tiers = tiers_of(shape, pools[name])
            known = known or any(suits(shape, spec) for spec in _members(pools[name]))
            able = tuple(tier for tier in tiers if _could_hold(shape, tier, pools[name]))
            if able:
                return Fit(shape, name, able, _union(able))
    if known:
        return NoFit(RefusalReason.EXCEEDS_POOL, f"No pool ever has {wanted(shape)}.")
    return NoFit(RefusalReason.MISCONFIGURED, _unknown(shape, pools))


def refresh(fit: Fit, pools: dict[str, Nodes]) -> None:
    """Brings a fit up to date; it changes its pool only if that can never hold it any more.

    What it finds no pool for keeps a fit without tiers.
    """
    shape = fit.shape
    tiers = tiers_of(shape, pools[fit.pool]) if fit.pool else []
    fit.tiers = tuple(tier for tier in tiers if _could_hold(shape, tier, pools[fit.pool]))
    if not fit.tiers:
        found = find(shape, pools)
        fit.pool = found.pool if isinstance(found, Fit) else ""
        fit.tiers = found.tiers if isinstance(found, Fit) else ()
    fit.usable = _union(fit.tiers)
    fit.blocked = -1


def tiers_of(shape: Shape, nodes: Nodes) -> list[int]:
    """Sets of nodes with the right devices and labels, in the shape's order of preference.

    All nodes of one run have the same provider and device model.
    """
    kinds: dict[tuple[int, str, str, int], int] = {}
    for number, spec in enumerate(nodes.specs):
        if nodes.member & nodes.bit[number] and labelled(shape, spec) and suits(shape, spec):
            kind = (_rank(shape, spec), spec.provider, spec.model, spec.device_memory)
            kinds[kind] = kinds.get(kind, 0) | nodes.bit[number]
    if shape.nodes > 1 or shape.split:
        return [kinds[kind] for kind in sorted(kinds, key=lambda kind: kind[0])]
    tiers: dict[int, int] = {}
    for kind, members in kinds.items():
        tiers[kind[0]] = tiers.get(kind[0], 0) | members
    return [tiers[rank] for rank in sorted(tiers)]


def wanted(shape: Shape) -> str:
    """What is asked for, as people say it."""
    if shape.resource_type is ResourceType.CPU:
        asked = f"{shape.cpu / 1000:g} cores"
    else:
        model = " or ".join(shape.models) or str(shape.resource_type).upper()
        asked = f"{shape.devices * shape.milli / 1000:g} x {model}"
    beside = [f"{shape.cpu / 1000:g} cores"] if shape.cpu and shape.devices else []
    beside += [f"{shape.memory / 1024:g} GiB"] if shape.memory else []
    beside += [f"{name}={value}" for name, value in shape.labels]
    text = ", ".join([asked, *beside])
    return text if shape.nodes == 1 else f"{shape.nodes} nodes with {text} each"


def _pools_in_order(shape: Shape, pools: Iterable[str]) -> Iterable[str]:
    """The pool that the shape names, or all, those with what it prefers first."""
    if shape.pool:
        return [shape.pool]
    return dict.fromkeys((*(pool for pool, _, _ in shape.prefer), *pools))


def _members(nodes: Nodes) -> Iterator[NodeSpec]:
    return (nodes.specs[number] for number in each(nodes.member))


def labelled(shape: Shape, spec: NodeSpec) -> bool:
    """Whether a node carries all labels that are asked for."""
    return set(shape.labels) <= set(spec.labels)


def suits(shape: Shape, spec: NodeSpec) -> bool:
    """Whether a node has the right devices, of the right provider."""
    if shape.provider not in ("", spec.provider):
        return False
    if spec.device_memory < shape.device_memory:
        return False
    if shape.resource_type is ResourceType.CPU:
        return True
    if spec.resource_type is not shape.resource_type:
        return False
    return not shape.models or spec.model in shape.models


def _rank(shape: Shape, spec: NodeSpec) -> int:
    """What is preferred; nodes without devices come first where none are asked for."""
    kind = spec.pool, spec.provider, spec.model
    if kind in shape.prefer:
        return shape.prefer.index(kind)
    return len(shape.prefer) + _own_rank(shape, spec)


def _own_rank(shape: Shape, spec: NodeSpec) -> int:
    if shape.resource_type is ResourceType.CPU:
        return int(spec.resource_type is not ResourceType.CPU)
    return shape.models.index(spec.model) if shape.ranked and shape.models else 0


def _could_hold(shape: Shape, tier: int, nodes: Nodes) -> bool:
    return could_hold(shape, [nodes.specs[number] for number in each(tier)])


def could_hold(shape: Shape, specs: Sequence[NodeSpec]) -> bool:
    """Whether some suitable nodes could hold a shape if nothing ran on them."""
    if shape.split:
        return sum(spec.devices for spec in specs) >= shape.devices
    return sum(1 for _ in _empty_fits(shape, specs)) >= shape.nodes


def _empty_fits(shape: Shape, specs: Iterable[NodeSpec]) -> Iterator[NodeSpec]:
    for spec in specs:
        if (
            spec.devices >= shape.devices
            and (spec.cpu or UNLIMITED) >= shape.cpu
            and (spec.memory or UNLIMITED) >= shape.memory
        ):
            yield spec


def _unknown(shape: Shape, pools: dict[str, Nodes]) -> str:
    """Names the first thing asked for that does not exist."""
    if shape.pool and shape.pool not in pools:
        return f"There is no pool {shape.pool!r}."
    where = f"pool {shape.pool!r}" if shape.pool else "any pool"
    looked_at = [pools[shape.pool]] if shape.pool else list(pools.values())
    providers = {spec.provider for nodes in looked_at for spec in nodes.specs}
    if shape.provider and shape.provider not in providers:
        return f"There is no provider {shape.provider!r} in {where}."
    what = " or ".join(shape.models) or f"device of type {shape.resource_type}"
    return f"There is no {what} in {where}."


def _union(tiers: Iterable[int]) -> int:
    usable = 0
    for tier in tiers:
        usable |= tier
    return usable
