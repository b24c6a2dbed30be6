"""The inventory as data: a TOML file of pools, nodes, prices. inventory.toml tells its format."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid5

import msgspec

from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.resources import Node, Pool, ResourceType
from servicekit.config import ConfigurationError

# Node ids are made of names, so that a node keeps its id from one start to the next.
_NODE_IDS = UUID("6f0d3c9e-5f0f-4a53-9a5b-1c8d2f7e4b60")

_Amount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Micros = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]
_Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Nodes(msgspec.Struct, forbid_unknown_fields=True):
    """Some equal nodes."""

    count: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1
    name: str = ""
    provider: _Name = "local"
    resource_type: ResourceType = ResourceType.GPU
    gpu_type: str = ""
    devices: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    device_memory_gb: _Amount = 0
    vcpus: _Amount = 0
    memory_gb: _Amount = 0
    labels: dict[str, str] = {}


class _Pool(msgspec.Struct, forbid_unknown_fields=True):
    """One pool."""

    environment: str = ""
    description: str = ""
    nodes: list[_Nodes] = []


class _Inventory(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    pools: dict[_Name, _Pool]
    currency: _Currency = "USD"
    prices: dict[_Name, dict[_Name, _Micros]] = {}
    speeds: dict[_Name, _Amount] = {}


def read_inventory(path: Path) -> tuple[list[Pool], list[Node]]:
    """Returns the pools and nodes of a file, in its order.

    Raises:
        ConfigurationError: the file cannot be read, or describes something that cannot be.
    """
    inventory = _read(path)
    pools = [Pool(name, it.environment, it.description) for name, it in inventory.pools.items()]
    nodes = [
        node
        for pool, described in inventory.pools.items()
        for group in described.nodes
        for node in _nodes(pool, group)
    ]
    _require_unique(path, nodes)
    return pools, nodes


def read_prices(path: Path) -> PriceList:
    """Returns the price list of a file; a price of 0 is as good as none.

    Raises:
        ConfigurationError: the file cannot be read, or describes something that cannot be.
    """
    inventory = _read(path)
    hourly = {
        (provider, model): micros
        for provider, models in sorted(inventory.prices.items())
        for model, micros in sorted(models.items())
        if micros
    }
    return PriceList(inventory.currency, hourly)


def read_speeds(path: Path) -> dict[str, int]:
    """Returns the speeds of device models in a file.

    Raises:
        ConfigurationError: the file cannot be read, or describes something that cannot be.
    """
    return _read(path).speeds


def _read(path: Path) -> _Inventory:
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), _Inventory)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"inventory {path}: {error}") from None


def _nodes(pool: str, group: _Nodes) -> Iterator[Node]:
    stem = group.name or f"{pool}-{group.gpu_type or group.resource_type}".lower()
    labels = tuple(sorted(group.labels.items()))
    for number in range(group.count):
        name = f"{stem}-{number}"
        yield Node(
            id=str(uuid5(_NODE_IDS, name)),
            name=name,
            pool=pool,
            provider=group.provider,
            resource_type=group.resource_type,
            gpu_type=group.gpu_type,
            devices=group.devices,
            device_memory_gb=group.device_memory_gb,
            vcpus=group.vcpus,
            memory_gb=group.memory_gb,
            labels=labels,
        )


def _require_unique(path: Path, nodes: list[Node]) -> None:
    names: set[str] = set()
    for node in nodes:
        if node.name in names:
            raise ConfigurationError(
                f"inventory {path}: two nodes are named {node.name}; "
                "give one of the groups a name of its own"
            )
        names.add(node.name)
