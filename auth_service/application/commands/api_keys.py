"""API keys and tickets: credentials that stand for a user without the password."""

from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.commands.ending import revoke_one
from auth_service.application.ports import Subject, UnitOfWork
from auth_service.domain.api_keys import MOST_ACTIVE, MOST_KEPT, ApiKey, key_end, key_role
from auth_service.domain.audit import Action, AuditEntry, Origin
from auth_service.domain.credentials import api_key_prefix, hashed
from auth_service.domain.errors import (
    ApiKeyInvalid,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyNotFound,
    TicketInvalid,
    UserNotFound,
)
from auth_service.domain.roles import Role
from auth_service.domain.tickets import Ticket
from servicekit.values import Value, replace


class KeyWish(Value, frozen=True):
    """What somebody wants of a new API key; None leaves it to the defaults."""

    name: str
    role: Role | None
    expires_at: datetime | None


class CreateApiKey(Value, frozen=True):
    """Makes an API key of a user; its secret is stored as a hash only."""

    name: ClassVar[str] = "api_key.create"
    hidden = ("secret",)
    api_key_id: str
    user_id: str
    wish: KeyWish
    secret: str
    longest: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> ApiKey:
        """Returns the key, without its secret.

        Raises:
            UserNotFound, RoleForbidden, ApiKeyNameTaken, ApiKeyLimitReached.
        """
        user = unit.users.get(self.user_id)
        if user is None:
            raise UserNotFound(self.user_id)
        kept = unit.api_keys.of(user.id)
        if any(key.name == self.wish.name and key.revoked_at is None for key in kept):
            raise ApiKeyNameTaken(self.wish.name)
        active = sum(key.is_active(self.now) for key in kept)
        for count, most in ((active, MOST_ACTIVE), (len(kept), MOST_KEPT)):
            if count >= most:
                raise ApiKeyLimitReached(most)
        key = ApiKey(
            id=self.api_key_id,
            user_id=user.id,
            name=self.wish.name,
            prefix=api_key_prefix(self.secret),
            secret_hash=hashed(self.secret),
            role=key_role(user, self.wish.role),
            created_at=self.now,
            expires_at=key_end(self.wish.expires_at, self.longest, self.now),
        )
        unit.api_keys.add(key)
        about = (("name", f" -> {key.name}"), ("role", f" -> {key.role}"))
        unit.audit.append(
            AuditEntry(self.now, self.origin, Action.CREATE_API_KEY, key.id, changes=about)
        )
        return key


class RevokeApiKey(Value, frozen=True):
    """Takes an API key, and the tokens got with it, out of force for good.

    `owner_id` is whose key it has to be, or empty for anybody's.
    """

    name: ClassVar[str] = "api_key.revoke"
    api_key_id: str
    owner_id: str
    token_lifetime: timedelta
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> ApiKey:
        """Returns the revoked key; ApiKeyNotFound if there is none, or it is a stranger's."""
        key = unit.api_keys.get(self.api_key_id)
        if key is None or self.owner_id not in ("", key.user_id):
            raise ApiKeyNotFound(self.api_key_id)
        if key.revoked_at is not None:
            return key
        key = key.revoked(self.now)
        unit.api_keys.replace(key)
        revoke_one(unit, key.user_id, key.id, self.token_lifetime, self.now)
        unit.audit.append(AuditEntry(self.now, self.origin, Action.REVOKE_API_KEY, key.id))
        return key


class NoteKeyUse(Value, frozen=True):
    """Stores that a key was used, at most once in a while, and enters it into the audit log."""

    name: ClassVar[str] = "api_key.note_use"
    api_key_id: str
    origin: Origin
    now: datetime

    def run(self, unit: UnitOfWork) -> None:
        """Notes it; ApiKeyInvalid if the key no longer works."""
        key = unit.api_keys.get(self.api_key_id)
        if key is None:
            raise ApiKeyInvalid
        user = key.checked_user(unit.users.get(key.user_id), self.now)
        if not key.use_is_worth_noting(self.now):
            return
        unit.api_keys.replace(key.used(self.now))
        origin = replace(self.origin, actor_id=user.id, actor=user.username)
        unit.audit.append(AuditEntry(self.now, origin, Action.EXCHANGE_API_KEY, key.id))


class CreateTicket(Value, frozen=True):
    """Stores a ticket."""

    name: ClassVar[str] = "ticket.create"
    ticket: Ticket

    def run(self, unit: UnitOfWork) -> None:
        """Stores it."""
        unit.tickets.add(self.ticket)


class RedeemTicket(Value, frozen=True):
    """Takes a ticket, which then is gone."""

    name: ClassVar[str] = "ticket.redeem"
    hidden = ("ticket_hash",)
    ticket_hash: bytes
    now: datetime

    def run(self, unit: UnitOfWork) -> tuple[Subject, datetime]:
        """Returns what a token for it says, and when that token has to end.

        Raises:
            TicketInvalid: it is unknown, used or late, or the session behind it is over.
        """
        ticket = unit.tickets.take(self.ticket_hash)
        if ticket is None or ticket.expires_at <= self.now:
            raise TicketInvalid
        user = unit.users.get(ticket.user_id)
        if user is None or user.disabled or user.generation != ticket.generation:
            raise TicketInvalid
        key = unit.api_keys.get(ticket.session_id)
        alive = key.is_active(self.now) if key else unit.sessions.get(ticket.session_id)
        if not alive:
            raise TicketInvalid
        return Subject(user, ticket.session_id, ticket.role), ticket.token_expires_at
