"""What happened to users, as the event log tells it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from auth_service.domain.roles import Role


@dataclass(frozen=True, slots=True)
class UserRegistered:
    """A user came into being, by registration or at the first start."""

    kind: ClassVar[str] = "user.registered"
    user_id: str
    username: str
    role: Role
    at: datetime
