"""How much of a pool is used now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from scheduler_service.domain.answers import DeviceUse, PoolUse, ProviderUse
from scheduler_service.domain.resources import WHOLE, Node, ResourceType
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.pool import Pool

_CORE, _GIB = 1_000, 1_024


def pool_use(pool: Pool, known: Mapping[str, Node]) -> PoolUse:
    """How a pool is used, retired nodes left out; ``known`` are the nodes by id."""
    nodes = pool.nodes
    numbers = [(number, known[nodes.specs[number].id]) for number in each(nodes.member)]
    cores = [(number, node) for number, node in numbers if node.vcpus]
    memory = [(number, node) for number, node in numbers if node.memory_gb]
    return PoolUse(
        name=pool.name,
        devices=tuple(_device_use(nodes, numbers)),
        nodes=len(numbers),
        total_vcpus=sum(node.vcpus for _, node in cores),
        free_vcpus=sum(nodes.cpu[number] // _CORE for number, _ in cores),
        total_memory_gb=sum(node.memory_gb for _, node in memory),
        free_memory_gb=sum(nodes.memory[number] // _GIB for number, _ in memory),
        queued=pool.queue.size,
        running=len(pool.running),
        providers=tuple(sorted({node.provider for _, node in numbers})),
    )


def provider_uses(pools: Iterable[Pool]) -> tuple[ProviderUse, ...]:
    """The providers of some pools by name, with nodes that are there for good."""
    totals: Counter[str] = Counter()
    used: Counter[str] = Counter()
    running: Counter[str] = Counter()
    for pool in pools:
        nodes = pool.nodes
        for number in each(nodes.member):
            spec = nodes.specs[number]
            free = WHOLE * nodes.whole[number] + sum(nodes.shared[number].values())
            totals[spec.provider] += WHOLE * spec.devices
            used[spec.provider] += WHOLE * spec.devices - free
        for job in pool.running.values():
            running[nodes.specs[job.slices[0].node].provider] += 1
    return tuple(ProviderUse(it, totals[it], used[it], running[it]) for it in sorted(totals))


def _device_use(nodes: Nodes, numbers: list[tuple[int, Node]]) -> Iterator[DeviceUse]:
    models: dict[tuple[ResourceType, str], list[int]] = {}
    for number, node in numbers:
        if node.devices:
            models.setdefault((node.resource_type, node.gpu_type), []).append(number)
    for (resource_type, gpu_type), alike in sorted(models.items()):
        idle = sum(nodes.whole[number] for number in alike)
        yield DeviceUse(
            resource_type=resource_type,
            gpu_type=gpu_type,
            total_milli=WHOLE * sum(nodes.specs[number].devices for number in alike),
            free_milli=WHOLE * idle + sum(sum(nodes.shared[it].values()) for it in alike),
            free_devices=idle,
            providers=tuple(sorted({nodes.specs[number].provider for number in alike})),
        )
