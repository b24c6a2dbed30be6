"""What happened, as the event log tells it to whoever follows it."""

from datetime import datetime
from typing import ClassVar

from auth_service.domain.roles import Role
from servicekit.values import Value


class UserRegistered(Value, frozen=True):
    """A user came into being, by registration, by an import or at the first start."""

    kind: ClassVar[str] = "user.registered"
    user_id: str
    username: str
    role: Role
    at: datetime

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return self.user_id


class TokensRevoked(Value, frozen=True):
    """Access tokens no longer count: of one session or API key, of older generations, of one key.

    `session_id` names a session or API key, and `generation` is 0 then; else it is empty, and the
    user's tokens of generations before `generation` are meant. `key_id` names a signing key; the
    user is empty then, as everybody's tokens are meant. All have expired by `expires_at`.
    """

    kind: ClassVar[str] = "tokens.revoked"
    user_id: str
    session_id: str
    generation: int
    expires_at: datetime
    at: datetime
    key_id: str = ""

    @property
    def subject(self) -> str:
        """Whom or what it is about."""
        return self.user_id or self.key_id


class SigningKeyAdded(Value, frozen=True):
    """There is another key to sign with, soon or at once."""

    kind: ClassVar[str] = "signing_key.added"
    key_id: str
    at: datetime

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.key_id


AuthEvent = UserRegistered | TokensRevoked | SigningKeyAdded
