"""The gateway's relays: opened with its own token, without which it calls all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import prometheus_client

from gpuaas.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from gpuaas.job.v1 import job_service_pb2, job_service_pb2_grpc
from servicekit.clock import SystemClock
from servicekit.identity import Revocation, Revocations, Verifier
from servicekit.interceptors import PUBLIC, Edge
from servicekit.server import Server
from tests.service.gateway.conftest import House, until
from tests.service.gateway.services import Jobs, Witness, job, servers
from tests.service.servicekit.issuer import ISSUER, Issuer
from tests.unit.servicekit.captured_log import captured_log

ACCOUNT = "gateway"
PASSWORD = "the gateway's own password"
JOB = "/api/v1/jobs/job-1"
AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
JOB_SERVICE = job_service_pb2.DESCRIPTOR.services_by_name["JobService"]


class SignsIn(auth_service_pb2_grpc.AuthServiceServicer):
    """Signs the gateway in, each time in another session."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.sessions = 0

    async def Login(
        self, request: auth_service_pb2.LoginRequest, context: Any
    ) -> auth_service_pb2.LoginResponse:
        """Answers with a token that opens relays."""
        self.sessions += 1
        claims = self._issuer.claims(role="service", sub=ACCOUNT, sid=f"session-{self.sessions}")
        token = self._issuer.token(claims)
        return auth_service_pb2.LoginResponse(access_token=token, expires_in=1800)


def public(service: Any, register: Any, servicer: Any, verifier: Verifier | None) -> Server:
    """A server of one service, open to all; the relay is for those whom it verifies."""
    names = [f"/{service.full_name}/{method.name}" for method in service.methods]
    server = Server(Edge(dict.fromkeys(names, frozenset({PUBLIC})), verifier))
    server.add(service, register, servicer)
    return server


@asynccontextmanager
async def gateway(**replaced: Any) -> AsyncIterator[House]:
    """A gateway with an account, in front of the usual services but for these."""
    witness = Witness()
    services = servers(witness)
    replaced["job"] = replaced["job"](witness)
    house = House(witness, services | replaced)
    await house.start(service_password=PASSWORD)
    try:
        yield house
    finally:
        await house.stop()


def is_open(house: House) -> bool:
    """Whether there is a relay to job_service."""
    labels = {"target": house.targets["job_target"]}
    return prometheus_client.REGISTRY.get_sample_value("gpuaas_relay_open", labels) == 1


async def test_a_gateway_whose_token_is_refused_signs_in_again() -> None:
    """Its session was ended: the next relay is opened in another, and no request fails."""
    issuer, revocations = Issuer(), Revocations(SystemClock())
    revocations.open()
    verifier = Verifier(issuer.jwks, ISSUER, revocations=revocations)
    signs_in = SignsIn(issuer)
    auth = public(
        AUTH_SERVICE, auth_service_pb2_grpc.add_AuthServiceServicer_to_server, signs_in, verifier
    )

    def jobs(witness: Witness) -> Server:
        add = job_service_pb2_grpc.add_JobServiceServicer_to_server
        return public(JOB_SERVICE, add, Jobs(witness), verifier)

    async with gateway(auth=auth, job=jobs) as house:
        await until(lambda: is_open(house))
        assert 1 == signs_in.sessions
        expires_at = datetime.now(UTC) + timedelta(minutes=30)
        revocations.add([Revocation(ACCOUNT, "session-1", 0, expires_at)])
        await until(lambda: signs_in.sessions > 1)
        await until(lambda: is_open(house))
        assert 200 == (await house.client.get(JOB)).status_code


class OldServer(job_service_pb2_grpc.JobServiceServicer):
    """A job_service from before there was a relay."""

    def __init__(self, witness: Witness) -> None:
        self._server = grpc.aio.server()
        job_service_pb2_grpc.add_JobServiceServicer_to_server(self, self._server)
        self.start = self._server.start

    async def GetJob(
        self, request: job_service_pb2.GetJobRequest, context: Any
    ) -> job_service_pb2.GetJobResponse:
        """Answers with the job that was asked for."""
        return job_service_pb2.GetJobResponse(job=job(request.job_id))

    def listen(self, address: str) -> int:
        """Binds a port."""
        return self._server.add_insecure_port(address)

    async def drain(self) -> None:
        """Stops."""
        await self._server.stop(None)


async def test_before_a_server_without_relays_the_gateway_says_so_once() -> None:
    """As during an upgrade: each request is a call of its own, and the log stays readable."""
    loop = {"loop": "relay to job"}

    def failures() -> float:
        name = "gpuaas_loop_failures_total"
        return prometheus_client.REGISTRY.get_sample_value(name, loop) or 0

    before = failures()
    with captured_log() as log:
        async with gateway(job=OldServer) as house:
            await until(lambda: failures() >= before + 3)
            assert 200 == (await house.client.get(JOB)).status_code
        said = [line for line in log.lines() if line.get("loop") == "relay to job"]
    assert ["warning"] == [line["level"] for line in said]
    assert ["the server has no relay; each call goes by itself"] == [
        line["reason"] for line in said
    ]
