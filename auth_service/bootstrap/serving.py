"""The service while it serves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from auth_service.adapters.blocklist import common_passwords
from auth_service.adapters.documents import decode_revocation
from auth_service.adapters.hasher import BcryptHasher
from auth_service.adapters.key_chest import KeyChest, KeyUnreadable
from auth_service.adapters.reader import SqlDirectory
from auth_service.adapters.records import SqlKeys
from auth_service.adapters.signer import Ed25519Signer, new_signing_key
from auth_service.adapters.tables import PLUMBING
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.application.commands.signing_keys import SealSigningKeys
from auth_service.bootstrap.resources import resources_of
from auth_service.config import Settings
from auth_service.domain.passwords import PasswordRules
from auth_service.entrypoints.first_start import FirstStart
from auth_service.entrypoints.grpc_api.auth import AuthApi
from auth_service.entrypoints.grpc_api.resources import Resources
from auth_service.entrypoints.grpc_api.tokens import TokenApi
from auth_service.entrypoints.loops import KeyNews, Upkeep
from auth_service.entrypoints.revocations import RevocationFeed
from gpuaas.api.v1 import access_pb2
from gpuaas.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from servicekit import logs
from servicekit.clock import Clock, SystemClock
from servicekit.config import ConfigurationError, WriterHost
from servicekit.database import Database
from servicekit.errors import Unavailable
from servicekit.identity import Follower, Revocations, Verifier
from servicekit.ids import new_id
from servicekit.interceptors import Edge, access_table
from servicekit.loops import looping
from servicekit.server import Server
from servicekit.storage import Storage, opened
from servicekit.tls import Tls

AUTH_SERVICE = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
TOKEN_SERVICE = token_service_pb2.DESCRIPTOR.services_by_name["TokenService"]

_log = logs.logger(__name__)


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
        ConfigurationError: the database is not migrated, an account cannot be made, a signing key
            cannot be decrypted, or the address cannot be listened on.
    """
    clock = clock or SystemClock()
    async with (
        opened("auth_service", settings, PLUMBING, SqlUnitOfWork, clock) as storage,
        _hashing(settings) as hasher,
    ):
        rules = PasswordRules(settings.password_min_length, common_passwords())
        signer = await _prepared(settings, storage, hasher, rules, clock)
        keys = SqlKeys(storage.database)
        feed = RevocationFeed(storage.log, keys, decode_revocation, clock)
        revocations = Revocations(clock)
        works = {
            "revocations": Follower(feed.news, revocations, clock).run,
            "signing keys": KeyNews(storage.log, _reloading(keys, signer)).run,
            "upkeep": Upkeep(storage.writer, clock).run,
        }
        async with looping(works):
            with suppress(
                Unavailable
            ):  # Until they are known nobody is let in, which is no defect.
                await revocations.opened()
            resources = await resources_of(settings, storage, hasher, signer, rules, feed, clock)
            server = _server(settings, resources, feed, signer, revocations, clock)
            port = server.listen(settings.listen, Tls.of(settings))
            await server.start(storage.database.answers)
            try:
                yield Service(port, server, storage.database)
            finally:
                await server.drain()


@asynccontextmanager
async def _hashing(settings: Settings) -> AsyncIterator[BcryptHasher]:
    hasher = BcryptHasher(settings.bcrypt_cost, apart=settings.hashing is WriterHost.PROCESS)
    try:
        yield hasher
    finally:
        hasher.close()


async def _prepared(
    settings: Settings,
    storage: Storage[SqlUnitOfWork],
    hasher: BcryptHasher,
    rules: PasswordRules,
    clock: Clock,
) -> Ed25519Signer:
    """Makes what an empty database lacks, and returns the signer over the database's keys."""
    directory = SqlDirectory(storage.database)
    start = FirstStart(
        storage.writer, directory, hasher, rules, settings.token_lifetime, clock, new_id
    )
    chest = KeyChest(settings.key_encryption_bytes)
    now = clock.now()
    keys = await start.signing_keys(chest.sealed(new_signing_key(now, now)))
    sealed = [chest.sealed(key) for key in keys]
    if sealed != keys:
        changed = tuple(key for key, old in zip(sealed, keys, strict=True) if key != old)
        await storage.writer.execute(SealSigningKeys(changed))
    await start.first_admin(settings.admin_username, settings.admin_password.get_secret_value())
    await start.service_accounts(settings.service_password.get_secret_value())
    try:
        return Ed25519Signer(
            sealed, chest, settings.issuer, settings.audience, settings.token_lifetime, clock
        )
    except KeyUnreadable as unreadable:
        raise ConfigurationError(
            f"{unreadable}: give the right GPUAAS_AUTH_KEY_ENCRYPTION_KEY(_FILE), or run "
            "`python -m auth_service rotate-keys --at-once` to sign with another key"
        ) from None


def _reloading(keys: SqlKeys, signer: Ed25519Signer) -> Callable[[], Awaitable[None]]:
    """Returns what gives the signer the keys that are in the database now."""

    async def reload() -> None:
        try:
            signer.take(await keys.signing_keys())
        except KeyUnreadable as unreadable:
            _log.error("a new signing key is of no use here", reason=str(unreadable))

    return reload


def _server(
    settings: Settings,
    resources: Resources,
    feed: RevocationFeed,
    signer: Ed25519Signer,
    revocations: Revocations,
    clock: Clock,
) -> Server:
    """Builds the server; it verifies its own tokens with its own keys, without a network."""
    verifier = Verifier(
        signer.fetch_jwks, settings.issuer, settings.audience, clock, revocations=revocations
    )
    access = access_table([AUTH_SERVICE, TOKEN_SERVICE], access_pb2.access)
    edge = Edge(access, verifier, production=settings.production, clock=clock)
    server = Server(edge)
    server.add(
        AUTH_SERVICE, auth_service_pb2_grpc.add_AuthServiceServicer_to_server, AuthApi(resources)
    )
    server.add(
        TOKEN_SERVICE,
        token_service_pb2_grpc.add_TokenServiceServicer_to_server,
        TokenApi(resources, feed),
    )
    return server
