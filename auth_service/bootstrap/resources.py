"""What the methods of both gRPC services work with, put together of the adapters."""

import secrets
from datetime import timedelta

from auth_service.adapters.hasher import BcryptHasher
from auth_service.adapters.reader import SqlCredentials, SqlDirectory
from auth_service.adapters.records import SqlAuditLog
from auth_service.adapters.signer import Ed25519Signer
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.application.attempts import Attempts
from auth_service.application.signing_in import PasswordCheck, ServicePassword, SignIn
from auth_service.config import Settings
from auth_service.domain.guessing import Limits
from auth_service.domain.passwords import PasswordRules
from auth_service.entrypoints.first_start import SERVICE_ACCOUNTS
from auth_service.entrypoints.grpc_api.resources import Resources
from auth_service.entrypoints.revocations import RevocationFeed
from servicekit.clock import Clock
from servicekit.idempotency import Idempotent
from servicekit.ids import new_id
from servicekit.storage import Storage

LONGEST_FAILURE_TIME = timedelta(seconds=2)


async def resources_of(
    settings: Settings,
    storage: Storage[SqlUnitOfWork],
    hasher: BcryptHasher,
    signer: Ed25519Signer,
    rules: PasswordRules,
    feed: RevocationFeed,
    clock: Clock,
) -> Resources:
    """Returns them, over an open database."""
    sign_in = await _sign_in(settings, storage, hasher, clock)
    return Resources(
        changes=storage.writer,
        once=Idempotent(storage.writer, clock),
        directory=sign_in.directory,
        credentials=sign_in.credentials,
        audit=SqlAuditLog(storage.database),
        hasher=hasher,
        attempts=sign_in.attempts,
        check=sign_in.check,
        sign_in=sign_in,
        signer=signer,
        rules=rules,
        limits=sign_in.limits,
        api_key_lifetime=settings.api_key_lifetime,
        random=secrets.token_bytes,
        clock=clock,
        new_id=new_id,
        delivered=feed.delivered,
    )


async def _sign_in(
    settings: Settings, storage: Storage[SqlUnitOfWork], hasher: BcryptHasher, clock: Clock
) -> SignIn:
    credentials = SqlCredentials(storage.database)
    attempts = Attempts(storage.writer, credentials, clock)
    services_password = settings.service_password.get_secret_value()
    return SignIn(
        attempts=attempts,
        check=PasswordCheck(attempts, hasher),
        changes=storage.writer,
        directory=SqlDirectory(storage.database),
        credentials=credentials,
        hasher=hasher,
        services=ServicePassword(frozenset(SERVICE_ACCOUNTS), services_password),
        limits=_limits(settings),
        session_lifetime=settings.refresh_lifetime,
        failure_time=await _failure_time(hasher),
        random=secrets.token_bytes,
        clock=clock,
        new_id=new_id,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.guesses_per_account,
        settings.guesses_per_address,
        settings.guesses_overall,
        settings.registrations_per_address,
        settings.registrations_overall,
    )


async def _failure_time(hasher: BcryptHasher) -> timedelta:
    """Returns twice the time of a hash, which covers one of another form too; see SignIn."""
    await hasher.seconds()  # The first one also starts what computes it.
    return min(timedelta(seconds=2 * await hasher.seconds()), LONGEST_FAILURE_TIME)
