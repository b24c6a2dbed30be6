"""What admins do to users."""

from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.commands.ending import revoke_all
from auth_service.application.commands.sessions import end_all
from auth_service.application.ports import UnitOfWork
from auth_service.domain.audit import Action, AuditEntry, Origin
from auth_service.domain.errors import EmailTaken, LastAdmin, UserNotFound
from auth_service.domain.users import User, UserChanges, differences
from servicekit.values import Value


class UpdateUser(Value, frozen=True):
    """Changes a user; ends what the change makes wrong."""

    name: ClassVar[str] = "user.update"
    user_id: str
    changes: UserChanges
    reason: str
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> User:
        """Returns the user after the change.

        Raises:
            UserNotFound, EmailTaken.
            LastAdmin: no active admin would be left.
        """
        before = unit.users.get(self.user_id)
        if before is None:
            raise UserNotFound(self.user_id)
        user = before.changed(self.changes, self.now)
        if user == before:
            return before
        self._check(unit, before, user)
        unit.users.replace(user)
        if user.role is not before.role or user.disabled:
            unit.sessions.remove_all(user.id)
        if user.generation != before.generation:
            revoke_all(unit, user, self.token_lifetime, self.now)
        entry = AuditEntry(
            self.now,
            self.origin,
            Action.UPDATE_USER,
            user.id,
            reason=self.reason,
            changes=differences(before, user),
        )
        unit.audit.append(entry)
        return user

    def _check(self, unit: UnitOfWork, before: User, user: User) -> None:
        if user.email_key and user.email_key != before.email_key:
            other = unit.users.with_email(user.email_key)
            if other is not None and other.id != user.id:
                raise EmailTaken(user.email)
        ends_an_admin = before.is_active_admin and not user.is_active_admin
        if ends_an_admin and not unit.users.has_active_admin_besides(user.id):
            raise LastAdmin


class RevokeSessions(Value, frozen=True):
    """Ends all sessions of a user, who can sign in again."""

    name: ClassVar[str] = "user.revoke_sessions"
    user_id: str
    reason: str
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """Returns how many sessions ended; UserNotFound if nobody has this id."""
        if unit.users.get(self.user_id) is None:
            raise UserNotFound(self.user_id)
        ended = end_all(unit, self.user_id, self.token_lifetime, self.now)
        entry = AuditEntry(
            self.now, self.origin, Action.REVOKE_SESSIONS, self.user_id, reason=self.reason
        )
        unit.audit.append(entry)
        return ended
