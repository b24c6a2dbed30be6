"""Wires auth_service together. The only file that knows every room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from auth_service.adapters.hasher import BcryptHasher
from auth_service.adapters.reader import SqlDirectory
from auth_service.adapters.signer import Ed25519Signer, new_signing_key
from auth_service.adapters.tables import PLUMBING
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.config import Settings
from auth_service.domain.passwords import PasswordRules
from auth_service.entrypoints.first_start import FirstStart
from auth_service.entrypoints.grpc_api import AuthApi
from gpuaas.api.v1 import access_pb2
from gpuaas.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from servicekit.clock import Clock, SystemClock
from servicekit.database import Database
from servicekit.idempotency import Idempotent
from servicekit.identity import Verifier
from servicekit.ids import new_id
from servicekit.interceptors import EdgeInterceptor, access_table
from servicekit.server import Server
from servicekit.storage import opened

AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
TOKEN_SERVICE = token_service_pb2.DESCRIPTOR.services_by_name["TokenService"]


@dataclass(frozen=True, slots=True)
class Service:
    """A running auth_service, in the hands of whoever started it.

    Attributes:
        port: where gRPC is served; the settings may have asked for any free port.
        server: to wait for a signal with.
        database: for tests, to look behind the answers.
    """

    port: int
    server: Server
    database: Database


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Serves from entry to exit.

    Raises:
        ConfigurationError: the database is not migrated, an account cannot be made, or the
            address cannot be listened on.
    """
    clock = clock or SystemClock()
    async with (
        opened("auth_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage,
        _hashing(settings) as hasher,
    ):
        writer = storage.writer
        directory = SqlDirectory(storage.database)
        rules = PasswordRules(settings.password_min_length)
        start = FirstStart(writer, directory, hasher, rules, clock, new_id)
        signer = await _prepared(start, settings, clock)
        api = AuthApi(
            changes=writer,
            once=Idempotent(writer, clock),
            directory=directory,
            hasher=hasher,
            signer=signer,
            rules=rules,
            clock=clock,
            new_id=new_id,
        )
        server = _server(settings, api, signer, clock)
        port = server.listen(settings.listen)
        await server.start(storage.database.answers)
        try:
            yield Service(port, server, storage.database)
        finally:
            await server.drain()


@asynccontextmanager
async def _hashing(settings: Settings) -> AsyncIterator[BcryptHasher]:
    hasher = BcryptHasher(settings.bcrypt_cost)
    try:
        yield hasher
    finally:
        hasher.close()


async def _prepared(start: FirstStart, settings: Settings, clock: Clock) -> Ed25519Signer:
    """Makes what an empty database lacks, and returns the signer over the database's key."""
    key = await start.signing_key(new_signing_key(clock.now()))
    await start.first_admin(settings.admin_username, settings.admin_password.get_secret_value())
    await start.service_accounts(settings.service_password.get_secret_value())
    return Ed25519Signer(key, settings.issuer, settings.audience, settings.token_lifetime)


def _server(settings: Settings, api: AuthApi, signer: Ed25519Signer, clock: Clock) -> Server:
    """Builds the server; it verifies its own tokens with its own keys, without a network."""
    verifier = Verifier(signer.fetch_jwks, settings.issuer, settings.audience, clock)
    access = access_table([AUTH_SERVICE, TOKEN_SERVICE], access_pb2.access)
    edge = EdgeInterceptor(access, verifier, production=settings.production, clock=clock)
    server = Server(edge)
    server.add(AUTH_SERVICE, auth_service_pb2_grpc.add_AuthServiceServicer_to_server, api)
    # The contract of this one is there and nothing behind it: it answers UNIMPLEMENTED.
    server.add(
        TOKEN_SERVICE,
        token_service_pb2_grpc.add_TokenServiceServicer_to_server,
        token_service_pb2_grpc.TokenServiceServicer(),
    )
    return server
