"""The first administrator's one-time password, changed as its owner would, for tests and benches.

`make run` leaves that to its user. The new password takes the old one's place in the secrets, so
that whoever reads `System.admin_password` afterwards gets the one that holds.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import grpc

from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from local.supervisor import System

PATIENCE_S = 30.0


def settle_admin(system: System) -> str:
    """Changes the administrator's password if it has to be changed; returns the one that holds."""
    password = system.admin_password
    credentials = system.tls("gateway").channel_credentials()
    target = system.target("auth_service")
    channel = (
        grpc.insecure_channel(target)
        if credentials is None
        else grpc.secure_channel(target, credentials)
    )
    with channel:
        stub = AuthServiceStub(channel)
        login = pb.LoginRequest(username="admin", password=password)
        answer = stub.Login(login, timeout=PATIENCE_S)
        if not answer.user.password_change_required:
            return password
        another = secrets.token_urlsafe(16)
        request = pb.ChangePasswordRequest(current_password=password, new_password=another)
        bearer = (("authorization", f"Bearer {answer.access_token}"),)
        stub.ChangePassword(request, metadata=bearer, timeout=PATIENCE_S)
    _replace(system.secrets.admin_password, another)
    return another


def _replace(path: Path, content: str) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(content)
    unfinished.chmod(0o600)
    unfinished.replace(path)
