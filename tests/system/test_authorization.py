"""Who may call what: every RPC of the contracts by every kind of caller, against authorization.txt.

The file is the truth, written by hand. What a cell means stands in its head.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.contracts import load_contracts
from gpuaas.auth.v1 import auth_service_pb2 as auth
from gpuaas.job.v1 import job_service_pb2
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceStub
from local.supervisor import System
from servicekit.client import ServiceChannel, connect
from servicekit.errors import DeadlineExceeded, Failure
from tests.system.conftest import Started
from tests.system.people import PASSWORD, Door, Forger, bearer
from tests.system.servers import SERVERS

TABLE = Path(__file__).with_name("authorization.txt")
CALLERS = (
    "anonymous", "owner", "other", "admin", "service",
    "first", "disabled", "expired", "revoked",
)  # fmt: skip
ENDS_SESSIONS = "AuthService.Logout"
CELLS = {
    "TOKEN_MISSING": "who?",
    "ROLE_FORBIDDEN": "role",
    "PASSWORD_CHANGE_REQUIRED": "change",
    "TOKEN_EXPIRED": "expired",
    "TOKEN_REVOKED": "revoked",
    "JOB_NOT_FOUND": "hidden",
    "API_KEY_NOT_FOUND": "hidden",
    "OWNER_NOT_FOUND": "hidden",
    "UNIMPLEMENTED": "unbuilt",
}
"""How a reason is written; every other answer means that the caller was let in."""

FIRST_S, PATIENT_S = 0.5, 60.0


@dataclass
class Cast:
    """The callers' tokens, and what belongs to the owner."""

    door: Door
    channels: Mapping[str, ServiceChannel]
    names: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)

    async def assemble(self) -> None:
        """Has everybody register and log in, and the owner own something."""
        for caller in ("owner", "other", "disabled", "revoked"):
            session = await self.door.register(caller)
            self.names[caller] = session.user.username
            self.tokens[caller] = session.access_token
            if caller == "owner":
                self.resources["user_id"] = self.resources["owner_id"] = session.user.id
        self.tokens["admin"] = (await self.door.admin()).access_token
        self.tokens["service"] = (await self.door.service()).access_token
        forger = Forger(self.door.system, self.tokens["owner"])
        self.tokens["expired"] = forger.token(forger.claims(exp=forger.claims()["iat"]))
        early = forger.claims(password_change_required=True)
        self.tokens["first"] = forger.token(early)
        await self._own()
        await self._end()

    async def token(self, caller: str, name: str) -> str | None:
        """Returns a caller's token; one of a session of its own for the call that ends it."""
        if caller == "anonymous":
            return None
        if name != ENDS_SESSIONS or caller in ("disabled", "expired", "revoked"):
            return self.tokens[caller]
        if caller == "first":
            forger = Forger(self.door.system, await self._fresh("owner"))
            return forger.token(forger.claims(password_change_required=True))
        return await self._fresh(caller)

    async def _fresh(self, caller: str) -> str:
        if caller == "admin":
            return (await self.door.admin()).access_token
        if caller == "service":
            return (await self.door.service()).access_token
        return (await self.door.log_in(self.names[caller], PASSWORD)).access_token

    async def _own(self) -> None:
        owner = bearer(self.tokens["owner"])
        jobs: Any = JobServiceStub(self.channels["gpuaas.job.v1"])
        submit = job_service_pb2.SubmitJobRequest(command="python train.py", estimated_hours=0.1)
        self.resources["job_id"] = (await jobs.SubmitJob(submit, metadata=owner)).job.id
        create = auth.CreateApiKeyRequest(name="script")
        key = await self.door.auth.CreateApiKey(create, metadata=owner)
        self.resources["api_key_id"] = key.api_key.id

    async def _end(self) -> None:
        admin = bearer(self.tokens["admin"])
        for caller, disabled in (("disabled", True), ("revoked", False)):
            me = auth.GetCurrentUserRequest()
            own = bearer(self.tokens[caller])
            user = (await self.door.auth.GetCurrentUser(me, metadata=own)).user
            if disabled:
                request = auth.UpdateUserRequest(user_id=user.id, disabled=True)
                await self.door.auth.UpdateUser(request, metadata=admin)
            else:
                revoke = auth.RevokeSessionsRequest(user_id=user.id)
                await self.door.auth.RevokeSessions(revoke, metadata=admin)
            for ask in self._asks():
                await until_revoked(ask, own)

    def _asks(self) -> list[Any]:
        """One call of each service, to know that the news has reached it."""
        return [
            call_of(self.channels[package], method)
            for package, method in (
                ("gpuaas.auth.v1", find("AuthService.GetCurrentUser")),
                ("gpuaas.job.v1", find("JobService.ListJobs")),
                ("gpuaas.scheduler.v1", find("InventoryService.ListPools")),
            )
        ]


async def until_revoked(ask: Any, metadata: Any) -> None:
    """Calls until the caller is refused."""
    async with asyncio.timeout(PATIENT_S):
        while True:
            try:
                await ask(metadata, PATIENT_S)
            except Failure as failure:
                if failure.reason == "TOKEN_REVOKED":
                    return
            await asyncio.sleep(0.01)


def rpcs() -> dict[str, MethodDescriptor]:
    """Returns every RPC of the contracts as "Service.Method"."""
    return {
        f"{service.name}.{method.name}": method
        for service in load_contracts().services
        for method in service.methods
    }


def find(name: str) -> MethodDescriptor:
    """Returns an RPC by its name."""
    return rpcs()[name]


def call_of(channel: ServiceChannel, method: MethodDescriptor, request: Any = None) -> Any:
    """Returns what calls an RPC and, of a stream, waits for the first answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    message = GetMessageClass(method.input_type)
    open_call = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = open_call(
        path, message.SerializeToString, GetMessageClass(method.output_type).FromString
    )

    async def ask(metadata: Any, timeout: float) -> None:  # noqa: ASYNC109 - gRPC's meaning
        answer = call(request or message(), metadata=metadata, timeout=timeout)
        if not method.server_streaming:
            await answer
            return
        try:
            await anext(answer, None)
        finally:
            answer.cancel()

    return ask


def request_of(method: MethodDescriptor, resources: Mapping[str, str]) -> Message:
    """Returns a request that names what is the owner's wherever it can, and nothing else."""
    request: Message = GetMessageClass(method.input_type)()
    for name, value in resources.items():
        if name in method.input_type.fields_by_name and method.name != "RevokeSessions":
            setattr(request, name, value)
    return request


async def cell(cast: Cast, name: str, caller: str, expected: str) -> str:
    """Calls as one kind of caller, and returns how that is written in the table."""
    method = find(name)
    channel = cast.channels[method.containing_service.file.package]
    ask = call_of(channel, method, request_of(method, cast.resources))
    token = await cast.token(caller, name)
    metadata = bearer(token) if token else ()
    # A stream that is let in may have nothing to say: of that one is sure only after a while.
    patience = FIRST_S if method.server_streaming and expected == "yes" else PATIENT_S
    try:
        await ask(metadata, patience)
    except DeadlineExceeded:
        return "yes"
    except Failure as failure:
        return CELLS.get(failure.reason, "yes")
    return "yes"


def written() -> dict[str, dict[str, str]]:
    """Returns the table: for each RPC the cell of each caller."""
    lines = [line for line in TABLE.read_text().splitlines() if line and line[0] != "#"]
    assert CALLERS == tuple(lines[0].split()[1:])
    return {
        name: dict(zip(CALLERS, cells, strict=True))
        for name, *cells in (line.split() for line in lines[1:])
    }


def row(name: str, cells: Mapping[str, str]) -> str:
    """Returns a line of the table."""
    return f"{name:<44}" + "".join(f"{cells[caller]:<10}" for caller in CALLERS).rstrip()


@pytest.fixture
async def cast(started: Started) -> AsyncIterator[Cast]:
    """Everybody who calls."""
    system: System = started.system
    cap = timedelta(seconds=PATIENT_S)
    channels = {package: connect(system.target(name), cap=cap) for package, name in SERVERS.items()}
    async with Door(system) as door:
        callers = Cast(door, channels)
        await callers.assemble()
        yield callers
    for channel in channels.values():
        await channel.close()


def test_the_table_has_every_rpc_once() -> None:
    """An RPC that is added is added there too, with a thought for each kind of caller."""
    assert sorted(rpcs()) == sorted(written())


async def test_every_cell_is_as_written(cast: Cast) -> None:
    """All callers, all RPCs; of what is not built yet, only who is turned away can be seen."""
    wrong, built = {}, 0
    for name, expected in written().items():
        found = {caller: await cell(cast, name, caller, expected[caller]) for caller in CALLERS}
        seen = {
            caller: expected[caller] if it == "unbuilt" and expected[caller] in IN else it
            for caller, it in found.items()
        }
        built += "unbuilt" not in found.values()
        if seen != expected:
            wrong[name] = (row(name, expected), row(name, seen))
    for pair in wrong.values():
        print("written ", pair[0])
        print("found   ", pair[1])
    count = len(written())
    print(f"{count} RPCs x {len(CALLERS)} callers; {built} RPCs are built; {len(wrong)} differ")
    assert {} == wrong


IN = {"yes", "hidden"}
"""Cells of callers who get past the door."""
