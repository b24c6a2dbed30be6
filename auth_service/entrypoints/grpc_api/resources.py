"""What the methods of both services work with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import grpc

from auth_service.application.attempts import Attempts, Tried
from auth_service.application.ports import (
    AccessToken,
    AuditLog,
    Changes,
    Credentials,
    Directory,
    PasswordHasher,
    Random,
    Subject,
    TokenSigner,
)
from auth_service.application.signing_in import PasswordCheck, SignIn
from auth_service.domain.audit import Action
from auth_service.domain.guessing import Limits
from auth_service.domain.passwords import PasswordRules
from auth_service.domain.roles import Role
from auth_service.entrypoints.origin import origin
from servicekit.call import current_call
from servicekit.clock import Clock
from servicekit.errors import FailedPrecondition, PermissionDenied
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, eq=False)
class Resources:
    """The application's ports and rules, and the way to change state once per request id.

    `delivered` waits until those who follow revocations were sent all that were made so far.
    """

    changes: Changes
    once: Idempotent[Any]
    directory: Directory
    credentials: Credentials
    audit: AuditLog
    hasher: PasswordHasher
    attempts: Attempts
    check: PasswordCheck
    sign_in: SignIn
    signer: TokenSigner
    rules: PasswordRules
    limits: Limits
    api_key_lifetime: timedelta
    random: Random
    clock: Clock
    new_id: IdSource
    delivered: Callable[[], Awaitable[None]]

    def token(self, subject: Subject, now: datetime, until: datetime | None = None) -> AccessToken:
        """Returns an access token."""
        return self.signer.sign(subject, self.new_id(), now, until)

    @asynccontextmanager
    async def refusals_recorded(self, action: Action, target: str) -> AsyncIterator[None]:
        """Enters into the audit log what the caller was not allowed to do."""
        try:
            yield
        except (PermissionDenied, FailedPrecondition) as refused:
            await self.attempts.record(Tried(action, origin(), target), refused.reason)
            raise


class Area:
    """A part of a service's methods."""

    def __init__(self, resources: Resources) -> None:
        self._on = resources


def caller_role() -> Role:
    """Returns the role that the caller's token carries."""
    return Role(current_call().caller.role.value)
