"""The whole system in production mode: TLS on every connection, certificates on both sides."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from local.administrator import settle_admin
from local.certificates import make_certificates
from local.layout import ANY_PORTS, NAMES, PREFIX, WITH_DATABASE, Name
from local.supervisor import System
from servicekit.tls import Tls
from tests.system.people import PASSWORD

STRICT: Mapping[Name, Mapping[str, str]] = {
    name: {f"{PREFIX[name]}_ENVIRONMENT": "production"} for name in NAMES
}
QUICK: Mapping[Name, Mapping[str, str]] = {
    **STRICT,
    "scheduler_service": {
        **STRICT["scheduler_service"],
        "GPUAAS_SCHEDULER_SIMULATION_SPEED": "3600",
    },
}


def is_serving(target: str, credentials: grpc.ChannelCredentials | None) -> bool:
    """Tells whether a call gets through: an answer of the server itself, of whatever kind."""
    channel = (
        grpc.insecure_channel(target)
        if credentials is None
        else grpc.secure_channel(target, credentials)
    )
    with channel:
        try:
            check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            check(b"", timeout=30)
        except grpc.RpcError:
            return False
    return True


def reflection_answers(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    """Returns how a server answers somebody without a token who asks what it serves."""
    assert credentials is not None
    with grpc.secure_channel(target, credentials) as channel:
        method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        ask: Any = channel.stream_stream(method)
        answers = ask(iter([b""]), timeout=30)
        with pytest.raises(grpc.RpcError) as refused:
            list(answers)
    code: grpc.StatusCode = refused.value.code()
    return code


def run_a_job(client: httpx.Client, admin_password: str) -> list[str]:
    """Registers, submits, approves and watches, all over HTTPS; returns the states seen."""
    account = {"username": "ada", "password": PASSWORD}
    assert client.post("/api/v1/auth/register", json=account).is_success
    tokens = {}
    for name, password in (("ada", PASSWORD), ("admin", admin_password)):
        body = {"username": name, "password": password}
        answer = client.post("/api/v1/auth/login", json=body).json()
        tokens[name] = {"authorization": f"Bearer {answer['access_token']}"}
    wanted = {"command": "python train.py", "gpu_type": "A100", "estimated_hours": 0.01}
    job = client.post("/api/v1/jobs", json=wanted, headers=tokens["ada"]).json()
    approve = client.post(f"/api/v1/jobs/{job['id']}:approve", json={}, headers=tokens["admin"])
    assert approve.is_success, approve.text
    states: list[str] = []
    watch = f"/api/v1/jobs:watch?job_ids={job['id']}"
    with client.stream("GET", watch, headers=tokens["ada"]) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                states.append(line.partition('"status":"')[2].partition('"')[0])
            if states and states[-1] in ("COMPLETED", "FAILED"):
                break
    return states


def test_a_job_runs_over_tls_alone_and_strangers_stay_outside(tmp_path: Path) -> None:
    """Production accepts this configuration; plaintext and foreign certificates get nowhere."""
    certificates = make_certificates(tmp_path / "certificates", NAMES)
    others = make_certificates(tmp_path / "others", ["stranger"]).files("stranger")
    with System(
        tmp_path / "var", listen=ANY_PORTS, extra=QUICK, certificates=certificates
    ) as system:
        password = settle_admin(system)
        trusting = ssl.create_default_context(cafile=certificates.authority)
        with httpx.Client(base_url=system.url, verify=trusting, timeout=60) as client:
            assert "COMPLETED" == run_a_job(client, password)[-1]

        ours = system.tls("gateway").channel_credentials()
        stranger = Tls(others.certificate, others.key, certificates.authority)
        for name in WITH_DATABASE:
            target = system.target(name)
            assert is_serving(target, ours), name
            assert not is_serving(target, None), name
            assert not is_serving(target, stranger.channel_credentials()), name
            anonymous = Tls(authority=certificates.authority)
            assert not is_serving(target, anonymous.channel_credentials()), name
            assert grpc.StatusCode.UNAUTHENTICATED is reflection_answers(target, ours), name
