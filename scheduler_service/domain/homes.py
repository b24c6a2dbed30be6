"""Which pool a workload belongs to, and on which shelves of it to look, the preferred first.

The answer depends only on what is asked for and on the inventory, not on what is free, so it is
worked out once for each sort of demand and kept until a node comes.
"""

from dataclasses import dataclass
from typing import NamedTuple

from scheduler_service.domain.engine import RefusalReason
from scheduler_service.domain.nodes import Need
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.shelf import Shelf
from scheduler_service.domain.spec import WorkloadSpec

_REMEMBERED = 10_000


class ShelfKey(NamedTuple):
    """What the nodes of one shelf have in common."""

    provider: str
    resource_type: ResourceType
    gpu_type: str
    device_memory_gb: int

    @classmethod
    def of(cls, node: Node) -> "ShelfKey":
        """The key of the shelf that a node belongs on."""
        return cls(node.provider, node.resource_type, node.gpu_type, node.device_memory_gb)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a workload waits: a pool, its shelves with their providers, and the need on a node."""

    pool: str
    shelves: tuple[tuple[str, Shelf], ...]
    need: Need
    nodes: int


@dataclass(frozen=True, slots=True)
class NoHome:
    """Why no pool can ever hold a workload."""

    reason: RefusalReason
    message: str


class Homes:
    """Finds homes in the inventory as it has been told so far."""

    def __init__(self) -> None:
        self._pools: dict[str, dict[ShelfKey, Shelf]] = {}
        self._found: dict[tuple[str, str, Demand], Home | NoHome] = {}

    def add(self, pool: str, key: ShelfKey, shelf: Shelf) -> None:
        """Takes note of a shelf, new or changed."""
        self._pools.setdefault(pool, {})[key] = shelf
        self._found.clear()

    def find(self, spec: WorkloadSpec) -> Home | NoHome:
        """The workload's home: the pool it names, or the first that could ever hold it."""
        question = (spec.pool, spec.provider, spec.demand)
        home = self._found.get(question)
        if home is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            home = self._found[question] = self._search(*question)
        return home

    def _search(self, pool: str, provider: str, demand: Demand) -> Home | NoHome:
        names = [pool] if pool else list(self._pools)
        need = Need.of(demand)
        known = False
        for name in names:
            matching = _matching(self._pools.get(name, {}), provider, demand)
            known = known or bool(matching)
            shelves = tuple(
                (key.provider, shelf)
                for key, shelf in matching
                if shelf.could_hold(need, demand.nodes)
            )
            if shelves:
                return Home(name, shelves, need, demand.nodes)
        if known:
            return NoHome(RefusalReason.EXCEEDS_POOL, f"No pool ever has {_wanted(demand)}.")
        return NoHome(RefusalReason.MISCONFIGURED, self._unknown(pool, provider, demand))

    def _unknown(self, pool: str, provider: str, demand: Demand) -> str:
        """Names the first thing asked for that does not exist."""
        if pool and pool not in self._pools:
            return f"There is no pool {pool!r}."
        where = f"pool {pool!r}" if pool else "any pool"
        keys = {key for name in ([pool] if pool else self._pools) for key in self._pools[name]}
        if provider and not any(key.provider == provider for key in keys):
            return f"There is no provider {provider!r} in {where}."
        what = " or ".join(demand.gpu_types) or f"device of type {demand.resource_type}"
        return f"There is no {what} in {where}."


def _matching(
    shelves: dict[ShelfKey, Shelf], provider: str, demand: Demand
) -> list[tuple[ShelfKey, Shelf]]:
    """The shelves with the right devices, in the demand's order of preference."""
    usable = [
        (key, shelf)
        for key, shelf in shelves.items()
        if provider in ("", key.provider) and key.device_memory_gb >= demand.device_memory_gb
    ]
    if demand.resource_type is ResourceType.CPU:
        # Nodes without devices first: those with devices are better kept for who needs them.
        return sorted(usable, key=lambda entry: entry[0].resource_type is not ResourceType.CPU)
    usable = [entry for entry in usable if entry[0].resource_type is demand.resource_type]
    order = {gpu_type: rank for rank, gpu_type in reversed(list(enumerate(demand.gpu_types)))}
    if not order:
        return usable
    usable = [entry for entry in usable if entry[0].gpu_type in order]
    return sorted(usable, key=lambda entry: order[entry[0].gpu_type])


def _wanted(demand: Demand) -> str:
    """What is asked for, as people say it."""
    if demand.resource_type is ResourceType.CPU:
        each = f"{demand.cores} cores"
    else:
        model = " or ".join(demand.gpu_types) or str(demand.resource_type).upper()
        each = f"{demand.devices} x {model}"
    beside = [f"{demand.vcpus} cores"] if demand.vcpus and demand.devices else []
    beside += [f"{demand.memory_gb} GiB"] if demand.memory_gb else []
    beside += [f"{name}={value}" for name, value in demand.node_labels]
    text = ", ".join([each, *beside])
    return text if demand.nodes == 1 else f"{demand.nodes} nodes with {text} each"
