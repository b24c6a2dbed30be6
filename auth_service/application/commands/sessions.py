"""Beginning, continuing and ending sessions."""

from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.commands.ending import revoke_all, revoke_one
from auth_service.application.commands.guessing import refund
from auth_service.application.ports import UnitOfWork
from auth_service.domain.audit import Action, AuditEntry, Origin, Outcome
from auth_service.domain.devices import MOST_DEVICES, Device
from auth_service.domain.errors import (
    AccessRevoked,
    CredentialsInvalid,
    PasswordWrong,
    RefreshTokenInvalid,
    RefreshTokenReused,
)
from auth_service.domain.guessing import Charge
from auth_service.domain.sessions import MOST_SESSIONS, NewSession, RefreshToken
from auth_service.domain.users import User
from servicekit.values import Value, replace


class Begun(Value, frozen=True):
    """A session that was begun or goes on: its refresh token, and when it ends for good."""

    hidden = ("refresh_token",)
    user: User
    session_id: str
    refresh_token: str
    expires_at: datetime


class BeginSession(Value, frozen=True):
    """Signs in a user whose password was checked.

    Refuses one who was disabled, or got another password, since `verified_hash` was read.
    """

    name: ClassVar[str] = "session.begin"
    hidden = ("verified_hash", "password_hash", "device_hash")
    user_id: str
    verified_hash: str
    password_hash: str
    session: NewSession
    device_hash: bytes
    charges: tuple[Charge, ...]
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> Begun:
        """Returns the session."""
        user = unit.users.get(self.user_id)
        if user is None or user.password_hash != self.verified_hash:
            raise CredentialsInvalid
        user = user.logged_in(self.password_hash, self.now)
        unit.users.replace(user)
        unit.devices.put(Device(self.device_hash, user.id, self.now))
        unit.devices.keep_newest(user.id, MOST_DEVICES)
        refund(unit, self.charges, succeeded=True)
        origin = replace(self.origin, actor_id=user.id, actor=user.username)
        unit.audit.append(AuditEntry(self.now, origin, Action.LOGIN, user.id))
        return _begun(unit, user, self.session, self.now)


class RefreshSession(Value, frozen=True):
    """Exchanges a refresh token for another one; a token that was spent ends its session."""

    name: ClassVar[str] = "session.refresh"
    hidden = ("secret",)
    token: RefreshToken
    secret: bytes
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> "Begun | RefreshTokenReused":
        """Returns the session; the refusal of a spent token, since ending the session must stay.

        Raises:
            RefreshTokenInvalid: no session that goes on gave out this token.
        """
        session = unit.sessions.get(self.token.session_id)
        if session is None:
            raise RefreshTokenInvalid
        user = unit.users.get(session.user_id)
        if user is None or user.disabled or session.expires_at <= self.now:
            raise RefreshTokenInvalid
        origin = replace(self.origin, actor_id=user.id, actor=user.username)
        entry = AuditEntry(self.now, origin, Action.REFRESH_TOKEN, session.id)
        if session.spent(self.token):
            reused = RefreshTokenReused()
            unit.sessions.remove(session.id)
            revoke_one(unit, user.id, session.id, self.token_lifetime, self.now)
            unit.audit.append(replace(entry, outcome=Outcome.REFUSED, reason=reused.reason))
            return reused
        if not session.accepts(self.token):
            raise RefreshTokenInvalid
        session, text = session.refreshed(self.secret)
        unit.sessions.replace(session)
        unit.audit.append(entry)
        return Begun(user, session.id, text, session.expires_at)


class LogOut(Value, frozen=True):
    """Ends the caller's session, or all sessions of the caller."""

    name: ClassVar[str] = "session.log_out"
    user_id: str
    session_id: str
    all_sessions: bool
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """Returns how many sessions ended."""
        if self.all_sessions:
            ended = end_all(unit, self.user_id, self.token_lifetime, self.now)
        elif unit.api_keys.get(self.session_id):
            return 0  # A key's token has no session. Revoking its tokens would stop the key.
        else:
            ended = int(unit.sessions.remove(self.session_id))
            revoke_one(unit, self.user_id, self.session_id, self.token_lifetime, self.now)
        target = self.user_id if self.all_sessions else self.session_id
        unit.audit.append(AuditEntry(self.now, self.origin, Action.LOGOUT, target))
        return ended


class ChangePassword(Value, frozen=True):
    """Gives a user another password, ends all sessions and devices, and begins one session.

    `matched_hash` is the hash that the current password was found to match, or empty.
    """

    name: ClassVar[str] = "user.change_password"
    hidden = ("matched_hash", "password_hash")
    user_id: str
    matched_hash: str
    password_hash: str
    session: NewSession
    charges: tuple[Charge, ...]
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> Begun:
        """Returns the session that was begun.

        Raises:
            AccessRevoked: the user was disabled, or is gone.
            PasswordWrong: the password did not match, or is no longer the current one.
        """
        user = unit.users.get(self.user_id)
        if user is None or user.disabled:
            raise AccessRevoked
        if user.password_hash != self.matched_hash:
            raise PasswordWrong
        user = user.with_password(self.password_hash, self.now)
        unit.users.replace(user)
        unit.sessions.remove_all(user.id)
        unit.devices.remove_all(user.id)
        revoke_all(unit, user, self.token_lifetime, self.now)
        refund(unit, self.charges, succeeded=True)
        unit.audit.append(AuditEntry(self.now, self.origin, Action.CHANGE_PASSWORD, user.id))
        return _begun(unit, user, self.session, self.now)


def end_all(unit: UnitOfWork, user_id: str, token_lifetime: timedelta, now: datetime) -> int:
    """Ends all sessions of a user, with every token, and counts the sessions."""
    user = unit.users.get(user_id)
    if user is None:
        raise AccessRevoked
    user = user.signed_out()
    unit.users.replace(user)
    ended = unit.sessions.remove_all(user_id)
    revoke_all(unit, user, token_lifetime, now)
    return ended


def _begun(unit: UnitOfWork, user: User, new: NewSession, now: datetime) -> Begun:
    session, text = new.begin(user.id, now)
    unit.sessions.add(session)
    unit.sessions.keep_newest(user.id, MOST_SESSIONS)
    return Begun(user, session.id, text, session.expires_at)
