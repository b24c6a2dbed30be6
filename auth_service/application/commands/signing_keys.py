"""The keys that sign access tokens: the first one, others after it, and their encryption."""

from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.commands.ending import revoke_signed_with
from auth_service.application.ports import UnitOfWork
from auth_service.domain import signing_keys
from auth_service.domain.audit import SYSTEM, Action, AuditEntry
from auth_service.domain.events import SigningKeyAdded
from auth_service.domain.signing_keys import SigningKey
from servicekit.values import Value


class EnsureSigningKey(Value, frozen=True):
    """Gives an empty database its first signing key; later, and on replicas, there is one."""

    name: ClassVar[str] = "signing_key.ensure"
    candidate: SigningKey

    def run(self, unit: UnitOfWork) -> list[SigningKey]:
        """Returns all keys."""
        keys = unit.signing_keys.all()
        if not keys:
            keys = [self.candidate]
            unit.signing_keys.add(self.candidate)
        return keys


class SealSigningKeys(Value, frozen=True):
    """Puts encrypted private keys in the place of readable ones."""

    name: ClassVar[str] = "signing_key.seal"
    sealed: tuple[SigningKey, ...]

    def run(self, unit: UnitOfWork) -> None:
        """Replaces those that are there."""
        present = {key.id for key in unit.signing_keys.all()}
        for key in self.sealed:
            if key.id in present:
                unit.signing_keys.replace(key)


class RotateSigningKey(Value, frozen=True):
    """Adds the key to sign with next; with `at_once` all others are deleted.

    Deleting them makes every access token invalid that they signed: for a key that was stolen.
    """

    name: ClassVar[str] = "signing_key.rotate"
    key: SigningKey
    at_once: bool
    now: datetime

    def run(self, unit: UnitOfWork) -> list[SigningKey]:
        """Returns the keys that are left, with the new one."""
        if self.at_once:
            for key in unit.signing_keys.all():
                unit.signing_keys.remove(key.id)
                revoke_signed_with(unit, key, self.now)
        unit.signing_keys.add(self.key)
        unit.events.append(SigningKeyAdded(self.key.id, self.now))
        reason = "all others deleted" if self.at_once else ""
        unit.audit.append(
            AuditEntry(self.now, SYSTEM, Action.ROTATE_SIGNING_KEY, self.key.id, reason=reason)
        )
        return unit.signing_keys.all()


class RetireSigningKeys(Value, frozen=True):
    """Deletes the keys whose last token has expired."""

    name: ClassVar[str] = "signing_key.retire"
    keep: timedelta
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """Counts the keys that were deleted."""
        over = signing_keys.over(unit.signing_keys.all(), self.keep, self.now)
        for key in over:
            unit.signing_keys.remove(key.id)
        return len(over)
