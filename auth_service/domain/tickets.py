"""A ticket: stands for an access token once, for a few seconds, where a token must not be shown."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from auth_service.domain.roles import Role

LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket stands for: the user, session, generation, role and end of a token."""

    hash: bytes = field(repr=False)
    user_id: str
    session_id: str
    generation: int
    role: Role
    expires_at: datetime
    token_expires_at: datetime
