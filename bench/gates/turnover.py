"""How densely placements pack a cluster in which work also ends: reported beside gate C.

The openb cluster and the pods of ``packing``'s default workload, drawn with equal chances, one at
each tick; each tried once. A pod ends after a time drawn from an exponential distribution, with the
mean at which 95% of all devices would be in use if none were ever turned away. Figures are of the
second half of 30,000 arrivals, in percent: devices in use, and of the devices that were asked for
those that were turned away. There is no published figure to hold them against; they say where a
placement that is made for filling up has its limits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from statistics import fmean

from bench.gates.check import Check, Reported
from bench.gates.packing import NODES, devices, pods, policy_of
from scheduler_service.domain.scheduling.decisions import Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Cancel, Finish, NodeUp, Submit
from scheduler_service.domain.scheduling.requests import Request
from scheduler_service.simulate import inventory
from scheduler_service.simulate.trace import openb

POLICIES = ("best_fit", "fgd", "rollout")
SEEDS = range(3)
LOAD = 0.95
ARRIVALS = 30_000


@dataclass(frozen=True, slots=True)
class Turnover:
    """What one policy made of one stream of arrivals, in percent."""

    policy: str
    in_use: float
    turned_away: float


def checks(data: Path) -> Iterator[Check]:
    """Every policy on every stream, on all cores."""
    tasks = [(data, policy, seed, ARRIVALS) for policy in POLICIES for seed in SEEDS]
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        done = list(pool.map(turn_over, tasks))
    for policy in POLICIES:
        seeds = [it for it in done if it.policy == policy]
        in_use, turned_away = (it.in_use for it in seeds), (it.turned_away for it in seeds)
        yield Check(f"turnover_{policy}_in_use", fmean(in_use), Reported(), "%")
        yield Check(f"turnover_{policy}_turned_away", fmean(turned_away), Reported(), "%")


def turn_over(task: tuple[Path, str, int, int]) -> Turnover:
    """Lets one stream of work come and go."""
    data, policy, seed, arrivals = task
    specs = inventory.read(data / NODES)
    listed = openb.shapes(pods(data, "default"))
    engine = Engine(policy_of(policy, seed, listed))
    engine.step(0, [NodeUp(spec) for spec in specs])
    capacity = devices(specs)
    stay = LOAD * capacity * len(listed) / sum(shape.total_milli for shape in listed)
    random = Random(seed)
    ends: list[tuple[float, int, int]] = []
    used = used_ticks = asked = lost = 0
    for now in range(arrivals):
        shape, ending = listed[random.randrange(len(listed))], now + random.expovariate(1 / stay)
        while ends and ends[0][0] <= now:
            _, number, milli = heappop(ends)
            engine.step(now, [Finish(str(number))])
            used -= milli
        decided = engine.step(now, [Submit(Request(str(now), shape, now))])
        started = any(type(it) is Start for it in decided)
        if started:
            heappush(ends, (ending, now, shape.total_milli))
            used += shape.total_milli
        else:
            engine.step(now, [Cancel(str(now))])
        if now >= arrivals // 2:
            used_ticks += used
            asked += shape.total_milli
            lost += 0 if started else shape.total_milli
    ticks = arrivals - arrivals // 2
    return Turnover(policy, 100 * used_ticks / ticks / capacity, 100 * lost / asked)
