"""`make bench-auth`: what it costs to know a caller, and what logging in costs everybody else.

Two questions. How long does a service need to verify an access token, one that it has seen before
and one that it has not? And how slow do other RPCs of auth_service become while 64 clients do
nothing but log in, whose passwords take a quarter of a second of computing each? Idle and busy
times alternate, so that a machine whose speed drifts helps neither.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from time import perf_counter, process_time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import report
from bench.pairs import spread
from bench.systems import running
from gpuaas.auth.v1 import auth_service_pb2 as auth
from gpuaas.auth.v1 import token_service_pb2 as tokens
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceStub
from local.supervisor import System
from servicekit.client import ServiceChannel, connect
from servicekit.clock import SystemClock
from servicekit.errors import DeadlineExceeded, ResourceExhausted
from servicekit.identity import ALGORITHM, AUDIENCE, TOKEN_TYPE, Jwks, Revocations, Verifier
from servicekit.ids import new_id

ISSUER = "bench"
PASSWORD = "eleven kites over the bay"
CALLS_PER_S = 100
PATIENCE = timedelta(seconds=60)


@dataclass(slots=True)
class Verifying:
    """Microseconds of this process's own time for one verification, several measurements."""

    cached: list[float] = field(default_factory=list)
    uncached: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Latencies:
    """99th percentiles in milliseconds of several measurements, and the logins meanwhile."""

    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    logins: list[float] = field(default_factory=list)


def main() -> None:
    """Measures and reports."""
    options = parse()
    verifying = asyncio.run(verify_times(options.rounds, options.tokens))
    with running("sqlite", auto_approve=False) as system:
        latencies = asyncio.run(call_times(system, options))
    report.show(
        f"{options.clients} clients log in, {CALLS_PER_S} other calls a second",
        ["", "median", "spread"],
        [
            row("verify a known token, us", verifying.cached),
            row("verify an unknown token, us", verifying.uncached),
            row("other calls, p99 idle, ms", latencies.idle),
            row("other calls, p99 busy, ms", latencies.busy),
            row("logins per second meanwhile", latencies.logins),
        ],
    )
    report.finish(
        {
            "cached_verify_us": statistics.median(verifying.cached),
            "uncached_verify_us": statistics.median(verifying.uncached),
            "busy_p99_ms": statistics.median(latencies.busy),
            "idle_p99_ms": statistics.median(latencies.idle),
        }
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.auth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements (default: 5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one (default: 5)")
    parser.add_argument("--clients", type=int, default=64, help="who log in (default: 64)")
    parser.add_argument("--tokens", type=int, default=2000, help="to verify (default: 2000)")
    return parser.parse_args()


async def verify_times(rounds: int, count: int) -> Verifying:
    """Verifies so many tokens for the first time, then looks each up as a server's edge does."""
    key, times = Ed25519PrivateKey.generate(), Verifying()
    for _ in range(rounds):
        texts = [token(key) for _ in range(count)]
        revocations = Revocations(SystemClock())
        revocations.open()
        verifier = Verifier(key_set(key), ISSUER, revocations=revocations)
        await verifier.verify(token(key))
        started = process_time()
        for text in texts:
            await verifier.verify(text)
        times.uncached.append(1e6 * (process_time() - started) / count)
        started = process_time()
        for text in texts:
            verifier.cached(text)
        times.cached.append(1e6 * (process_time() - started) / count)
    return times


def token(key: Ed25519PrivateKey) -> str:
    """Returns an access token as auth_service makes them."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": new_id(),
        "username": "ada",
        "role": "user",
        "team": "default",
        "sid": new_id(),
        "gen": 1,
        "jti": new_id(),
        "iat": now,
        "exp": now + timedelta(minutes=30),
    }
    return jwt.encode(claims, key, ALGORITHM, {"typ": TOKEN_TYPE, "kid": "bench"})


def key_set(key: Ed25519PrivateKey) -> Any:
    """Returns what fetches the key set."""
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)

    async def fetch() -> Jwks:
        return {"keys": [public | {"kid": "bench"}]}

    return fetch


async def call_times(system: System, options: argparse.Namespace) -> Latencies:
    """Measures other calls of auth_service, alone and beside logins, in turn."""
    times = Latencies()
    async with connect(system.target("auth_service"), cap=PATIENCE) as channel:
        clients = [await register(channel) for _ in range(options.clients)]
        bearer = (("authorization", f"Bearer {await log_in(channel, clients[0])}"),)
        await calls(channel, bearer, 1.0)
        for _ in range(options.rounds):
            times.idle.append(p99(await calls(channel, bearer, options.seconds)))
            async with logging_in(channel, clients) as done:
                before, began = len(done), perf_counter()
                times.busy.append(p99(await calls(channel, bearer, options.seconds)))
                times.logins.append((len(done) - before) / (perf_counter() - began))
    return times


async def register(channel: ServiceChannel) -> str:
    """Makes a user and returns its name."""
    stub: Any = AuthServiceStub(channel)
    username = f"bench-{new_id()}"
    await stub.Register(auth.RegisterRequest(username=username, password=PASSWORD))
    return username


async def log_in(channel: ServiceChannel, username: str) -> str:
    """Returns an access token."""
    stub: Any = AuthServiceStub(channel)
    answer = await stub.Login(auth.LoginRequest(username=username, password=PASSWORD))
    return str(answer.access_token)


@asynccontextmanager
async def logging_in(channel: ServiceChannel, clients: Sequence[str]) -> AsyncIterator[list[None]]:
    """Has all clients log in again and again; the list grows with each login.

    Entered once the first of them has succeeded.
    """
    done: list[None] = []
    first = asyncio.Event()

    async def client(username: str) -> None:
        while True:
            try:
                await log_in(channel, username)
            except (DeadlineExceeded, ResourceExhausted):
                continue  # a login that the service had no time for is not one
            done.append(None)
            first.set()

    running_clients = [asyncio.create_task(client(username)) for username in clients]
    try:
        await first.wait()
        yield done
    finally:
        for each in running_clients:
            each.cancel()
        await asyncio.gather(*running_clients, return_exceptions=True)


async def calls(channel: ServiceChannel, bearer: Any, seconds: float) -> list[float]:
    """Calls other RPCs at a steady rate; returns what each took, in milliseconds.

    A call is sent when its time has come, whatever became of those before: a slow server does not
    slow the measurement down, which would hide how slow it is.
    """
    users: Any = AuthServiceStub(channel)
    tickets: Any = TokenServiceStub(channel)
    kinds = cycle(
        [
            lambda: users.GetCurrentUser(auth.GetCurrentUserRequest(), metadata=bearer),
            lambda: users.ListApiKeys(auth.ListApiKeysRequest(), metadata=bearer),
            lambda: tickets.CreateStreamTicket(tokens.CreateStreamTicketRequest(), metadata=bearer),
        ]
    )
    loop = asyncio.get_running_loop()
    began, took, pending = loop.time(), [], []

    async def timed(call: Any, due: float) -> None:
        await call()
        took.append(1e3 * (loop.time() - due))

    for number in range(int(seconds * CALLS_PER_S)):
        due = began + number / CALLS_PER_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        pending.append(asyncio.create_task(timed(next(kinds), due)))
    await asyncio.gather(*pending)
    return took


def p99(values: Sequence[float]) -> float:
    """Returns the 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def row(name: str, values: Sequence[float]) -> list[str]:
    """Returns a line of the table."""
    return [name, f"{statistics.median(values):,.1f}", spread(values)]


if __name__ == "__main__":
    main()
