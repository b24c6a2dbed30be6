"""Whatever bytes arrive: an answer or a proper refusal, no exception's words, no growing memory.

`pytest tests/system/test_mutated_messages.py --mutations 1000000` for a long run.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from gateway.contracts import load_contracts
from gpuaas.api.v1 import access_pb2
from local.administrator import settle_admin
from local.layout import ANY_PORTS, WITH_DATABASE, Name
from local.supervisor import System
from tests.system.mutation import Mutator
from tests.system.people import Door, bearer
from tests.system.servers import SERVERS

SEED = 20_261
IN_FLIGHT = 16
STREAM_S, PATIENCE_S = 0.2, 30.0
GROWTH_MIB = 64
WARM_UP, PARTS = 300, 10
BROKEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
TELLTALE = re.compile(r"Traceback|Error\(|Exception|object at 0x|sqlalchemy|psycopg|sqlite3|\.py\b")
ENDS_THE_SESSION = "Logout"
EXTRA: Mapping[Name, Mapping[str, str]] = {
    "auth_service": {
        "GPUAAS_AUTH_BCRYPT_COST": "4",
        "GPUAAS_AUTH_LOG_LEVEL": "warning",
        "GPUAAS_AUTH_TOKEN_LIFETIME": "PT24H",  # A long run outlives a token's usual half hour.
    },
    "job_service": {"GPUAAS_JOB_LOG_LEVEL": "warning"},
    "scheduler_service": {"GPUAAS_SCHEDULER_LOG_LEVEL": "warning"},
}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of its own: nobody else's should be filled with this."""
    with System(tmp_path / "var", listen=ANY_PORTS, extra=EXTRA) as system:
        settle_admin(system)
        yield system


class Attack:
    """Sends mutated requests to all RPCs in turn, as callers whom they are open to."""

    def __init__(self, system: System, tokens: Mapping[str, str], mutator: Mutator) -> None:
        self._channels = {
            package: grpc.aio.insecure_channel(system.target(name))
            for package, name in SERVERS.items()
        }
        self._tokens = tokens
        self._mutator = mutator
        self.codes: Counter[str] = Counter()
        self.broken: list[str] = []

    async def send(self, count: int) -> None:
        """Sends so many requests, a few at a time."""
        methods = cycle(
            method
            for service in load_contracts().services
            for method in service.methods
            if method.name != ENDS_THE_SESSION
        )
        pending: set[asyncio.Task[None]] = set()
        for method in islice(methods, count):
            if len(pending) >= IN_FLIGHT:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            request = self._mutator.request(method.input_type)
            pending.add(asyncio.create_task(self._call(method, request)))
        await asyncio.gather(*pending)

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()

    async def _call(self, method: MethodDescriptor, request: bytes) -> None:
        service = method.containing_service
        path = f"/{service.full_name}/{method.name}"
        channel: Any = self._channels[service.file.package]
        metadata = bearer(self._tokens[_caller(method)])
        try:
            if method.server_streaming:
                stream = channel.unary_stream(path)(request, metadata=metadata, timeout=STREAM_S)
                await stream.read()
                stream.cancel()
            else:
                await channel.unary_unary(path)(request, metadata=metadata, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            self._note(path, request, error)
        else:
            self.codes["OK"] += 1

    def _note(self, path: str, request: bytes, error: grpc.aio.AioRpcError) -> None:
        self.codes[error.code().name] += 1
        details = error.details() or ""
        if error.code() in BROKEN or TELLTALE.search(details):
            self.broken.append(f"{path} {request.hex()[:400]}: {error.code().name} {details[:200]}")


def _caller(method: MethodDescriptor) -> str:
    """Returns whom a method is open to, a user rather than an administrator."""
    allowed = method.GetOptions().Extensions[access_pb2.access].allow
    names = {access_pb2.Caller.Name(caller) for caller in allowed}
    return next(
        (name for name in ("CALLER_USER", "CALLER_ADMIN", "CALLER_SERVICE") if name in names),
        "CALLER_USER",
    )


def memory_mib(system: System) -> dict[str, float]:
    """Returns the resident memory of each service, its writer's process included."""
    return {
        name: sum(map(resident_mib, [system.pid(name), *children(system.pid(name))]))
        for name in WITH_DATABASE
    }


def resident_mib(pid: int) -> float:
    """Returns the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for it in threads for child in it.read_text().split()]


async def growth_mib(attack: Attack, system: System, count: int) -> dict[str, list[float]]:
    """Sends so many requests and returns what each service's memory grew by, part by part.

    Caches fill and the allocator keeps what it once had, so that it grows at first whatever
    happens; what would not end is seen in the second half.
    """
    await attack.send(min(count, WARM_UP))
    before = memory_mib(system)
    grown: dict[str, list[float]] = {name: [] for name in before}
    rest = max(0, count - WARM_UP)
    for part in range(PARTS):
        await attack.send(rest * (part + 1) // PARTS - rest * part // PARTS)
        for name, mib in memory_mib(system).items():
            grown[name].append(round(mib - before[name], 1))
    return grown


@pytest.mark.timeout(12 * 3600)
async def test_no_bytes_break_a_service(system: System, pytestconfig: pytest.Config) -> None:
    """No UNKNOWN, no INTERNAL, nothing of an exception in any answer; memory stays."""
    count: int = pytestconfig.getoption("mutations")
    async with Door(system) as door:
        user, admin, service = await asyncio.gather(
            door.register("fuzz"), door.admin(), door.service()
        )
    tokens = {
        "CALLER_USER": user.access_token,
        "CALLER_ADMIN": admin.access_token,
        "CALLER_SERVICE": service.access_token,
    }
    attack = Attack(system, tokens, Mutator(SEED, [user.user.username]))
    grown = await growth_mib(attack, system, count)
    await attack.close()

    codes = dict(attack.codes.most_common())
    print(f"seed {SEED}: {sum(codes.values())} messages, {codes}")
    for name, mib in grown.items():
        print(f"{name} grew by {mib} MiB, counted from the start after each tenth")
    assert [] == attack.broken
    assert count == sum(codes.values())
    assert codes["OK"] + codes["INVALID_ARGUMENT"] > count / 4
    assert codes.get("UNAUTHENTICATED", 0) < count / 10
    for mib in grown.values():
        assert mib[-1] - mib[PARTS // 2 - 1] < GROWTH_MIB
    assert system.ended() is None
