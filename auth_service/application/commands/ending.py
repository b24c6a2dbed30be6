"""Taking tokens out of force: part of many commands."""

from datetime import datetime, timedelta

from auth_service.application.ports import UnitOfWork
from auth_service.domain.events import TokensRevoked
from auth_service.domain.signing_keys import KEPT, SigningKey
from auth_service.domain.users import User


def revoke_all(unit: UnitOfWork, user: User, token_lifetime: timedelta, now: datetime) -> None:
    """Revokes the tokens of generations before the user's present one."""
    until = now + token_lifetime
    unit.revocations.add(TokensRevoked(user.id, "", user.generation, until, now))


def revoke_one(
    unit: UnitOfWork, user_id: str, session_id: str, token_lifetime: timedelta, now: datetime
) -> None:
    """Revokes the tokens of one session or API key."""
    unit.revocations.add(TokensRevoked(user_id, session_id, 0, now + token_lifetime, now))


def revoke_signed_with(unit: UnitOfWork, key: SigningKey, now: datetime) -> None:
    """Revokes whatever a key has signed, or whoever stole it will sign."""
    unit.revocations.add(TokensRevoked("", "", 0, now + KEPT, now, key.id))
