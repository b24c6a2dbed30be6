"""The verbs of the command line, each over a database that a service may be serving meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from auth_service.adapters import hashes
from auth_service.adapters.key_chest import KeyChest
from auth_service.adapters.records import SqlAuditLog
from auth_service.adapters.signer import new_signing_key
from auth_service.adapters.tables import PLUMBING
from auth_service.adapters.unit import SqlUnitOfWork
from auth_service.config import Settings
from auth_service.domain.signing_keys import LEAD
from auth_service.entrypoints import verbs
from auth_service.entrypoints.importing import UserReader
from servicekit.clock import SystemClock
from servicekit.config import ConfigurationError, WriterHost
from servicekit.errors import Failure
from servicekit.ids import new_id
from servicekit.process import Verb
from servicekit.storage import Storage, opened


def _rotate_keys(settings: Settings, arguments: list[str]) -> None:
    """Adds a signing key."""
    options, clock = verbs.rotation(arguments), SystemClock()

    async def rotate() -> None:
        now = clock.now()
        signs_from = now + (timedelta() if options.at_once else LEAD)
        key = KeyChest(settings.key_encryption_bytes).sealed(new_signing_key(now, signs_from))
        async with _storage(settings) as storage:
            await verbs.rotate_keys(storage.writer, key, options, clock)

    _run(rotate())


def _verify_audit(settings: Settings, arguments: list[str]) -> None:
    """Checks the audit log."""
    expected = verbs.noted_place(arguments)

    async def verify() -> None:
        async with _storage(settings) as storage:
            await verbs.verify_audit(SqlAuditLog(storage.database), expected)

    _run(verify())


def _import_users(settings: Settings, arguments: list[str]) -> None:
    """Makes users of a file."""
    options = verbs.users_import(arguments)

    async def import_users() -> None:
        async with _storage(settings) as storage:
            reader = UserReader(hashes.adopted, new_id)
            await verbs.import_users(storage.writer, reader, options, SystemClock())

    _run(import_users())


VERBS: Mapping[str, Verb[Settings]] = {
    "rotate-keys": _rotate_keys,
    "verify-audit": _verify_audit,
    "import-users": _import_users,
}


@asynccontextmanager
async def _storage(settings: Settings) -> AsyncIterator[Storage[SqlUnitOfWork]]:
    """Opens the database with a writer of its own, in a thread."""
    settings = settings.model_copy(update={"writer": WriterHost.THREAD})
    async with opened("auth_service", settings, PLUMBING, SqlUnitOfWork, SystemClock()) as storage:
        yield storage


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except Failure as failure:
        raise ConfigurationError(failure.message) from None
