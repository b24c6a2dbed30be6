"""Callers of a running system: people who register and log in, services, and forged tokens."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import jwt
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.adapters.key_chest import KeyChest
from auth_service.adapters.rows import signing_key_of
from auth_service.adapters.tables import SIGNING_KEYS
from auth_service.domain.signing_keys import signing
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from local.supervisor import System
from servicekit.client import ServiceChannel, connect
from tests.service.servicekit.issuer import Issuer

PATIENCE = timedelta(seconds=60)
PASSWORD = "nine lamps by the harbour"


class Door:
    """auth_service of a running system, as anybody reaches it; an async context manager."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.channel: ServiceChannel = connect(
            system.target("auth_service"), tls=system.tls("gateway"), cap=PATIENCE
        )
        self.auth: Any = AuthServiceStub(self.channel)

    async def __aenter__(self) -> Door:
        """Gives itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the channel."""
        await self.channel.close()

    async def register(self, name: str) -> pb.LoginResponse:
        """Makes a user with this name and something random behind it, and logs in."""
        username = f"{name}-{secrets.token_hex(4)}"
        await self.auth.Register(pb.RegisterRequest(username=username, password=PASSWORD))
        return await self.log_in(username)

    async def log_in(self, username: str, password: str = PASSWORD) -> pb.LoginResponse:
        """Starts a session."""
        request = pb.LoginRequest(username=username, password=password)
        answer: pb.LoginResponse = await self.auth.Login(request)
        return answer

    async def admin(self) -> pb.LoginResponse:
        """Starts a session of the administrator's."""
        return await self.log_in("admin", self.system.admin_password)

    async def service(self, account: str = "job-service") -> pb.LoginResponse:
        """Starts a session of a service's."""
        return await self.log_in(account, self.system.secrets.service_password.read_text())


class Forger(Issuer):
    """Whoever has stolen the system's signing key; claims are those of a token that is good."""

    def __init__(self, system: System, good_token: str) -> None:
        key_id, self.private_key = stolen_key(system)
        self.key_id = key_id
        self.keys = {key_id: self.private_key}
        self.fetches = 0
        self._claims: dict[str, Any] = jwt.decode(good_token, options={"verify_signature": False})

    def claims(self, now: datetime | None = None, **changes: Any) -> dict[str, Any]:
        """Returns the claims of the good token with changes; a change to None leaves one out."""
        return {name: it for name, it in (self._claims | changes).items() if it is not None}


def stolen_key(system: System) -> tuple[str, Ed25519PrivateKey]:
    """Returns the id and the private half of the key that signs now, out of the database."""
    engine = sa.create_engine(system.layout.databases["auth_service"])
    with engine.connect() as connection:
        rows = connection.execute(SIGNING_KEYS.select()).mappings().all()
    engine.dispose()
    seal = base64.b64decode(system.secrets.key_encryption_key.read_text())
    key = signing([signing_key_of(row) for row in rows], datetime.now().astimezone())
    private = KeyChest(seal).private_key(key)
    return key.id, Ed25519PrivateKey.from_private_bytes(private)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call with this token."""
    return (("authorization", f"Bearer {token}"),)
