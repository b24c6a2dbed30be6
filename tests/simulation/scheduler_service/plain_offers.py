"""Whom to stop on each node, and what that loses, worked out from scratch and node by node."""

from collections.abc import Iterable
from typing import Any

from scheduler_service.domain.preemption.offers import Offers
from scheduler_service.domain.preemption.order import ByOrder
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Preemption
from scheduler_service.domain.scheduling.requests import Job

Offered = list[Job]


def plain_offers(pool: Pool, rule: Preemption, offers: Offers[Any], now: int) -> list[Offered]:
    """The runs to stop on every node where that makes room, the least lost first."""
    found = []
    for node in range(len(pool.nodes.specs)):
        ripe = [run for run in pool.running.values() if _ripe(pool, rule, run, node, now)]
        runs, _ = offers.judge.among(ripe, now)
        cheapest = sorted(runs, key=lambda run: (_lost(pool, run, now), -run.sequence))
        stopped, free = _stopped(pool, node, offers, cheapest)
        if stopped:
            price = sum(_lost(pool, run, now) for run in stopped)
            if offers.shape.split:
                price = price * WHOLE // max(1, free)
            found.append((price, node, stopped))
    return [stopped for _, _, stopped in sorted(found, key=lambda it: it[:2])]


def _ripe(pool: Pool, rule: Preemption, run: Job, node: int, now: int) -> bool:
    at = pool.stoppable_at(run, now)
    eligible = run.request.preemptible or isinstance(rule, ByOrder)
    on_node = any(part.node == node for part in run.slices)
    return eligible and on_node and at is not None and at <= now


def _lost(pool: Pool, run: Job, now: int) -> int:
    """Thousandths of devices times what it has done since its start, or the fixed cost at most."""
    cost = pool.policy.preemption.cost
    ran = now - run.since
    return run.request.shape.total_milli * (min(ran, cost) if cost else ran)


def _stopped(
    pool: Pool, node: int, offers: Offers[Any], cheapest: Iterable[Job]
) -> tuple[Offered, int]:
    """The first of some runs that together make room, and what is free then; none if all do not."""
    nodes, shape = pool.nodes, offers.shape
    free, cpu, memory = WHOLE * nodes.whole[node], nodes.cpu[node], nodes.memory[node]
    if shape.milli < WHOLE:
        free = max(free, *nodes.shared[node].values(), 0)
    need = min(shape.devices, nodes.specs[node].devices) * shape.milli
    stopped: Offered = []
    for run in [*cheapest, None]:
        if free >= need and cpu >= shape.cpu and memory >= shape.memory:
            return stopped, free
        if run is not None:
            stopped.append(run)
            cpu, memory = cpu + run.request.shape.cpu, memory + run.request.shape.memory
            parts = [part for part in run.slices if part.node == node]
            free += sum(part.devices.bit_count() * part.milli for part in parts)
    return [], free
