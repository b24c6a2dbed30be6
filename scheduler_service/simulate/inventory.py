"""Inventories: from a specification like ``72x8:V100``, or from CSV."""

import re
from collections.abc import Iterable
from pathlib import Path

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.simulate.errors import BadInput
from scheduler_service.simulate.trace.table import Row, Table

SPECIFICATION = re.compile(r"(\d{1,6})x(\d{1,3})(?::([\w.-]+))?(?:@([\w.-]+))?")
MOST_NODES = 100_000

OPENB = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
OWN = ("name", "devices")


def parse(specification: str) -> list[NodeSpec]:
    """Equal nodes from NODESxDEVICES[:MODEL][@POOL], with cores and memory without limit.

    Raises:
        BadInput: that is no such specification.
    """
    found = SPECIFICATION.fullmatch(specification)
    if not found or not 0 < int(found[1]) <= MOST_NODES:
        raise BadInput(
            f"nodes {specification!r}: expected NODESxDEVICES[:MODEL][@POOL] as in 72x8:V100 or "
            f"4x8:A100@training, with 1 to {MOST_NODES} nodes"
        )
    count, devices, model, pool = int(found[1]), int(found[2]), found[3] or "", found[4] or ""
    pool = pool or "default"
    return [
        NodeSpec(
            f"{pool}-{model.lower() or 'node'}-{number:05d}",
            pool=pool,
            resource_type=ResourceType.GPU if devices else ResourceType.CPU,
            model=model,
            devices=devices,
        )
        for number in range(count)
    ]


def read(path: Path) -> list[NodeSpec]:
    """Reads the nodes of a CSV file.

    Either in the format of openb (``sn``, ``cpu_milli``, ``memory_mib``, ``gpu``, ``model``), or in
    our own: ``name`` and ``devices`` and, where they matter, ``pool``, ``model``, ``cpu`` (cores),
    ``memory_gb`` and ``device_memory_gb``, each for one node.

    Raises:
        BadInput: the file is neither.
    """
    table = Table(path)
    is_openb = table.places.keys() >= set(OPENB)
    node = _openb_node if is_openb else _own_node
    return together([node(row) for row in Table(path, OPENB if is_openb else OWN).rows()])


def together(nodes: Iterable[NodeSpec]) -> list[NodeSpec]:
    """Nodes of several sources as one inventory.

    Raises:
        BadInput: two nodes have one name, or there are none or too many.
    """
    found = {}
    for node in nodes:
        if node.id in found:
            raise BadInput(f"two nodes are called {node.id}")
        found[node.id] = node
    if not 0 < len(found) <= MOST_NODES:
        raise BadInput(f"expected 1 to {MOST_NODES} nodes, found {len(found)}")
    return list(found.values())


def _openb_node(row: Row) -> NodeSpec:
    gpus = row.count("gpu")
    return NodeSpec(
        row.text("sn"),
        resource_type=ResourceType.GPU if gpus else ResourceType.CPU,
        model=row.text("model"),
        devices=gpus,
        cpu=row.count("cpu_milli"),
        memory=row.count("memory_mib"),
    )


def _own_node(row: Row) -> NodeSpec:
    devices = row.count("devices")
    if not row.text("name"):
        raise row.bad("name", "the node's name")
    return NodeSpec(
        row.text("name"),
        pool=row.text("pool") or "default",
        resource_type=ResourceType.GPU if devices else ResourceType.CPU,
        model=row.text("model"),
        devices=devices,
        device_memory=row.count("device_memory_gb", default=0),
        cpu=row.count("cpu", default=0) * 1000,
        memory=row.count("memory_gb", default=0) * 1024,
    )
