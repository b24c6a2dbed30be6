"""What work usually asks for: known from the past, never from what is still to come."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from scheduler_service.domain.scheduling.requests import Shape

POPULAR = 95


class Task(NamedTuple):
    """What a usual task asks of one node.

    Attributes:
        models: acceptable device models; empty accepts every one.
        weight: how much it counts among the others.
    """

    devices: int
    milli: int
    cpu: int
    memory: int
    models: tuple[str, ...]
    weight: int

    @property
    def demand(self) -> int:
        """Thousandths of devices."""
        return self.devices * self.milli

    def accepts(self, model: str) -> bool:
        """Whether it may run on devices of this model."""
        return not self.models or model in self.models


def count(shapes: Iterable[Shape]) -> tuple[tuple[Shape, int], ...]:
    """A mix as a policy carries it: shapes and how often they came, in a fixed order."""
    return tuple(sorted(Counter(shapes).items(), key=lambda it: (-it[1], _content(it[0]))))


def tasks_of(mix: Iterable[tuple[Shape, int]], size: int) -> list[Task]:
    """The tasks of a mix, one for each node of a gang, in a fixed order.

    A run over several nodes counts as tasks that fill a node of ``size`` devices.
    """
    weights: Counter[tuple[int, int, int, int, tuple[str, ...]]] = Counter()
    for shape, often in mix:
        devices, milli = shape.devices, shape.milli if shape.devices else 0
        parts = shape.nodes
        if shape.split and size and devices > size:
            devices, parts = size, -(-devices // size)
        weights[devices, milli, shape.cpu, shape.memory, shape.models] += often * parts
    return [Task(*content, weight) for content, weight in sorted(weights.items())]


def typical(tasks: Iterable[Task], percent: int = POPULAR) -> list[Task]:
    """The most frequent tasks, memory aside, until they cover ``percent`` of all."""
    weights: Counter[tuple[int, int, int, int, tuple[str, ...]]] = Counter()
    for task in tasks:
        weights[task.devices, task.milli, task.cpu, 0, task.models] += task.weight
    frequent = sorted(weights.items(), key=lambda it: (-it[1], it[0]))
    total, covered = sum(weights.values()), 0
    found: list[Task] = []
    for content, weight in frequent:
        if covered * 100 >= percent * total:
            break
        covered += weight
        found.append(Task(*content, weight))
    return found


def by_demand(tasks: Iterable[Task]) -> list[Task]:
    """The tasks with devices, each with the devices it asks for as its weight."""
    return [it._replace(weight=it.weight * it.demand) for it in tasks if it.devices]


def _content(shape: Shape) -> tuple[object, ...]:
    return (
        shape.devices,
        shape.milli,
        shape.nodes,
        shape.split,
        shape.cpu,
        shape.memory,
        shape.models,
        shape.ranked,
        shape.device_memory,
        shape.labels,
        str(shape.resource_type),
        shape.pool,
        shape.provider,
    )


class Learned:
    """A mix that grows with what arrives, and is looked at when it has doubled.

    Attributes:
        mix: what was given, or else what had been observed when it had last doubled: whoever looks
            at it, and whenever, sees the same.
    """

    def __init__(self, mix: tuple[tuple[Shape, int], ...]) -> None:
        self.mix = mix
        self._given = bool(mix)
        self._seen: Counter[Shape] = Counter()
        self._total = 0

    def observe(self, shape: Shape) -> bool:
        """Takes note of an arrival; says whether the mix is another now."""
        if self._given:
            return False
        self._seen[shape] += 1
        self._total += 1
        if self._total & (self._total - 1):
            return False
        self.mix = tuple(self._seen.items())
        return True
