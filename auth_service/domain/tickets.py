"""A ticket: stands for an access token once, for a few seconds, where a token must not be shown."""

from datetime import datetime, timedelta

from auth_service.domain.roles import Role
from servicekit.values import Value

LIFETIME = timedelta(seconds=30)


class Ticket(Value, frozen=True):
    """What a ticket stands for: the user, session, generation, role and end of a token."""

    hidden = ("hash",)
    hash: bytes
    user_id: str
    session_id: str
    generation: int
    role: Role
    expires_at: datetime
    token_expires_at: datetime
