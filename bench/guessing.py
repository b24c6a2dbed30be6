"""`make bench-guessing`: can the time of a failed login tell whether a user exists?

Logs in with a wrong password under names that users have and names that nobody has, one after the
other in random order, and lets a classifier guess from the time alone which are which. It learns
on one half of the names and guesses the other, then the other way round, so that every name is
guessed once by who has not seen it. 0.5 is what a coin achieves; with 200 names of each sort, two
standard errors are 0.05.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any, NamedTuple

from bench import report
from bench.pairs import spread
from bench.systems import running
from gpuaas.auth.v1 import auth_service_pb2 as auth
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from local.supervisor import System
from servicekit.client import connect
from servicekit.errors import Unauthenticated
from servicekit.ids import new_id

PASSWORD = "eleven kites over the bay"
PATIENCE = timedelta(seconds=60)
IN_FLIGHT = 2
UNLIMITED = {
    "GPUAAS_AUTH_GUESSES_PER_ADDRESS": "1000000",
    "GPUAAS_AUTH_GUESSES_OVERALL": "10000000",
    "GPUAAS_AUTH_REGISTRATIONS_PER_ADDRESS": "1000000",
    "GPUAAS_AUTH_REGISTRATIONS_OVERALL": "10000000",
}


class Sample(NamedTuple):
    """How long a login took to fail, in milliseconds, and whether somebody has the name."""

    ms: float
    known: bool


def main() -> None:
    """Measures and reports."""
    options = parse()
    settings = UNLIMITED | {"GPUAAS_AUTH_BCRYPT_COST": str(options.cost)}
    with running("sqlite", auto_approve=False, identity=settings) as system:
        samples = asyncio.run(failures(system, options.names))
    known = [it.ms for it in samples if it.known]
    unknown = [it.ms for it in samples if not it.known]
    accuracy = held_out_accuracy(samples)
    report.show(
        f"Failed logins under {options.names} names of each sort",
        ["", "median", "spread"],
        [row("known, ms", known), row("unknown, ms", unknown)],
    )
    report.finish(
        {
            "known_user_accuracy": accuracy,
            "known_ms": statistics.median(known),
            "unknown_ms": statistics.median(unknown),
        }
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.guessing", description=__doc__)
    parser.add_argument("--names", type=int, default=200, help="of each sort (default: 200)")
    parser.add_argument("--cost", type=int, default=12, help="of bcrypt (default: 12)")
    return parser.parse_args()


async def failures(system: System, count: int) -> list[Sample]:
    """Registers users, and fails to log in once as each of them and as each of as many others."""
    async with connect(system.target("auth_service"), cap=PATIENCE) as channel:
        stub: Any = AuthServiceStub(channel)
        users, others = ([f"bench-{new_id()}" for _ in range(count)] for _ in range(2))
        room = asyncio.Semaphore(IN_FLIGHT)

        async def register(name: str) -> None:
            async with room:
                await stub.Register(auth.RegisterRequest(username=name, password=PASSWORD))

        await asyncio.gather(*map(register, users))
        names = [(name, True) for name in users] + [(name, False) for name in others]
        random.SystemRandom().shuffle(names)
        return [Sample(await failure_ms(stub, name), known) for name, known in names]


async def failure_ms(stub: Any, username: str) -> float:
    """Returns how long a wrong password takes to be refused."""
    request = auth.LoginRequest(username=username, password=f"{PASSWORD}, or not")
    began = perf_counter()
    try:
        await stub.Login(request)
    except Unauthenticated:
        return 1e3 * (perf_counter() - began)
    raise AssertionError("a wrong password was accepted")


def held_out_accuracy(samples: Sequence[Sample]) -> float:
    """Returns the part of the samples that was guessed right by who learnt on the other half."""
    halves = samples[::2], samples[1::2]
    right = sum(
        (lower <= it.ms < upper) is it.known
        for learnt, guessed in (halves, halves[::-1])
        for lower, upper in [best_range(learnt)]
        for it in guessed
    )
    return right / len(samples)


def best_range(samples: Sequence[Sample]) -> tuple[float, float]:
    """Returns the times between which guessing "known" is right most often.

    A range and not a threshold, so that a longer, a shorter and a steadier time all tell. What is
    looked for is the stretch of the sorted samples with the most known more than unknown ones.
    """
    ordered = [*sorted(samples), Sample(float("inf"), known=False)]
    best, found = 0, (float("inf"), float("inf"))
    lead, start = 0, 0
    for place, sample in enumerate(ordered[:-1]):
        lead += 1 if sample.known else -1
        if lead > best:
            best, found = lead, (ordered[start].ms, ordered[place + 1].ms)
        if lead < 0:
            lead, start = 0, place + 1
    return found


def row(name: str, values: Sequence[float]) -> list[str]:
    """Returns a line of the table."""
    return [name, f"{statistics.median(values):,.1f}", spread(values)]


if __name__ == "__main__":
    main()
