"""The cheapest room for a job: which runs to stop so that the least work is lost."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import each
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Shape

Price = Callable[[Job], int]


class _Offer(NamedTuple):
    """What stopping ``runs`` on one node loses; ``devices`` are idle then."""

    price: int
    node: int
    devices: int
    runs: tuple[Job, ...]


def cheapest_room(pool: Pool, job: Job, stoppable: Iterable[Job], now: int) -> list[Job]:
    """Whom to stop so that a job fits, with the least work lost; empty if nothing suffices.

    Takes the nodes on which the least is lost, for a job that may be split the least for each
    device, then lets go whom it does not need after all, the dearest first. Equal prices: the
    lowest node, the latest arrival.
    """
    shape = job.request.shape
    on_nodes = _by_node(pool, job, stoppable)
    price = _price(pool, now)
    offers = [_offer(pool, node, runs, shape, price) for node, runs in on_nodes.items()]
    chosen: dict[str, Job] = {}
    dearness = _per_device if shape.split else _in_all
    for offer in sorted((it for it in offers if it), key=dearness):
        if not shape.split and shape.nodes == 1:
            chosen = {}
        chosen.update((run.request.id, run) for run in offer.runs)
        if pool.fits_without(job, chosen.values()):
            return _needed(pool, job, list(chosen.values()), price)
    return []


def lost_work(pool: Pool, run: Job, now: int) -> int:
    """Microseconds times thousandths of a device that stopping a run now would lose."""
    return min(now - run.since, pool.policy.preemption.cost) * run.request.shape.total_milli


def _price(pool: Pool, now: int) -> Price:
    """Work lost; where stopping loses nothing, what runs shortest is stopped first."""
    if pool.policy.preemption.cost:
        return lambda run: lost_work(pool, run, now)
    return lambda run: (now - run.since) * run.request.shape.total_milli


def _by_node(pool: Pool, job: Job, stoppable: Iterable[Job]) -> dict[int, list[Job]]:
    usable = job.fit.usable & pool.nodes.open & ~pool.excluded(job)
    on_nodes: dict[int, list[Job]] = {node: [] for node in each(_wanted(pool, job, usable))}
    for run in stoppable:
        for part in run.slices:
            if usable & pool.nodes.bit[part.node]:
                on_nodes.setdefault(part.node, []).append(run)
    return on_nodes


def _wanted(pool: Pool, job: Job, usable: int) -> int:
    """Nodes that count without stopping anybody: those that a job of several nodes may add."""
    shape = job.request.shape
    if shape.split:
        return usable & ~pool.nodes.buckets[0]
    return pool.nodes.candidates(shape, usable) if shape.nodes > 1 else 0


def _offer(pool: Pool, node: int, runs: list[Job], shape: Shape, price: Price) -> _Offer | None:
    """Stops the cheapest on one node until one part of the shape fits there."""
    nodes = pool.nodes
    free = WHOLE * nodes.whole[node]
    if shape.milli < WHOLE:
        free = max([free, *nodes.shared[node].values()])
    cpu, memory = nodes.cpu[node], nodes.memory[node]
    need = min(shape.devices, nodes.specs[node].devices) * shape.milli
    stopped: list[Job] = []
    for run in sorted(runs, key=lambda run: (price(run), -run.sequence)):
        if free >= need and cpu >= shape.cpu and memory >= shape.memory:
            break
        part = next(part for part in run.slices if part.node == node)
        free += part.devices.bit_count() * part.milli
        cpu += run.request.shape.cpu
        memory += run.request.shape.memory
        stopped.append(run)
    if free < need or cpu < shape.cpu or memory < shape.memory:
        return None
    return _Offer(sum(map(price, stopped)), node, free, tuple(stopped))


def _in_all(offer: _Offer) -> tuple[int, int]:
    return offer.price, offer.node


def _per_device(offer: _Offer) -> tuple[int, int]:
    return offer.price * WHOLE // max(1, offer.devices), offer.node


def _needed(pool: Pool, job: Job, victims: list[Job], price: Price) -> list[Job]:
    """The victims without those that need not go."""
    for run in sorted(victims, key=lambda run: (-price(run), run.sequence)):
        others = [each for each in victims if each is not run]
        if others and pool.fits_without(job, others):
            victims = others
    return victims
