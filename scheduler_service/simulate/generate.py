"""Traces made by chance from a seed: a small one to look at, and large ones from a true one.

The same seed makes the same trace on every machine.
"""

import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from random import Random

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.trace import Trace, Traits

HOUR = 3600 * SECOND
DAY = 24 * HOUR

GPUS = ((1, 58), (2, 14), (4, 12), (8, 12), (16, 3), (32, 1))
"""Devices of a job, and how many of a hundred ask for so many."""

MEDIAN_S = 900.0
SPREAD = 1.6
LONGEST_S = 7 * 86_400
TEAMS = 5
USERS = 40
NAMES_PER_USER = 4
REPEATABILITY = 0.6
"""How much runs of one name differ, as the standard deviation of their logarithm."""


def generated(jobs: int, seed: int, devices: int, load: float = 0.9, node_gpus: int = 8) -> Trace:
    """A trace with the features of true ones: days and nights, few large jobs, long tails.

    Users have jobs that they run again and again under one name, with similar durations. Arrivals
    are a Poisson process whose rate follows the hour of the day.

    Args:
        jobs: how many.
        seed: of all chance.
        devices: of the cluster that it is meant for.
        load: service that is asked for, by what so many devices can give in the same time.
        node_gpus: GPUs of the largest node; jobs of more are spread over nodes.
    """
    chance = Random(seed)
    medians = [chance.lognormvariate(math.log(MEDIAN_S), SPREAD) for _ in range(USERS * 4)]
    sizes = [_drawn(chance) for _ in medians]
    popularity = list(accumulate(1 / (place + 1) for place in range(USERS)))
    trace = Trace(f"{jobs:,} generated jobs, seed {seed}")
    durations = []
    works = []
    for _ in range(jobs):
        user = bisect_left(popularity, chance.random() * popularity[-1])
        work = user * NAMES_PER_USER + chance.randrange(NAMES_PER_USER)
        seconds = medians[work] * chance.lognormvariate(0, REPEATABILITY)
        durations.append(round(min(max(seconds, 5), LONGEST_S)) * SECOND)
        works.append(work)
    service = sum(time * sizes[work] for time, work in zip(durations, works, strict=True))
    times = arrivals(chance, jobs, round(service / devices / load))
    for submitted, duration, work in zip(times, durations, works, strict=True):
        user = work // NAMES_PER_USER
        traits = Traits(f"team-{user % TEAMS + 1}", f"user-{user + 1:02d}", f"train-{work:03d}")
        trace.add(submitted, duration, whole(sizes[work], node_gpus), traits)
    return trace.settled()


def bootstrapped(source: Trace, jobs: int, seed: int, devices: int, load: float = 0.9) -> Trace:
    """Jobs drawn with replacement from another trace, arriving at times of their own.

    Args:
        source: where they are drawn from.
        jobs: how many.
        seed: of all chance.
        devices: of the cluster that it is meant for.
        load: service that is asked for, by what so many devices can give in the same time.
    """
    chance = Random(seed)
    picks = array("I", (chance.randrange(len(source)) for _ in range(jobs)))
    service = sum(source.service(job) for job in picks) / 1000
    trace = source.pick(picks, arrivals(chance, jobs, round(service / devices / load)))
    trace.source = f"{jobs:,} jobs drawn from {source.source}, seed {seed}"
    return trace


def arrivals(chance: Random, jobs: int, span: int) -> "array[int]":
    """Ascending times of a process over ``span``, thrice as busy at 14:00 as at 2:00.

    Times are whole seconds.
    """
    times: list[int] = []
    while len(times) < jobs:
        time = chance.random() * span
        rate = 0.5 - 0.25 * math.cos(2 * math.pi * (time - 2 * HOUR) / DAY)
        if chance.random() * 0.75 < rate:
            times.append(int(time) // SECOND * SECOND)
    return array("q", sorted(times))


def _drawn(chance: Random) -> int:
    sizes = [size for size, _ in GPUS]
    return chance.choices(sizes, [weight for _, weight in GPUS])[0]
