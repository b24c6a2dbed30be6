"""What is neither a record nor a rule: hashing, signing, chance."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.identity import Jwks
from servicekit.values import Value

Random: TypeAlias = Callable[[int], bytes]
"""Returns so many bytes that nobody can guess."""


class NobodyLooked(asyncio.CancelledError):
    """Whoever waited for a slow hash went away before it was begun."""


class PasswordHasher(Protocol):
    """Slow hashes. What computes one raises ResourceExhausted OVERLOADED when too many wait.

    If it is cancelled before the computing began it raises NobodyLooked, and nothing is computed.
    """

    async def hash(self, password: str) -> str:
        """Returns a salted hash to store."""

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tells whether the hash is this password's; None never is, and takes as long."""

    async def digest(self, password: str, seed: str) -> str:
        """Returns the same for the same password and seed; as slow to guess from as a hash."""

    def is_outdated(self, password_hash: str) -> bool:
        """Tells whether a new hash of the same password would be a better one."""

    def adopted(self, foreign: str) -> str:
        """Returns what to store for a hash that another system made.

        Raises:
            ValueError: it is none that can be verified; the message says what was expected.
        """


class Subject(Value, frozen=True):
    """What an access token says: the user, the session or API key, and the role for this token."""

    user: User
    session_id: str
    role: Role


class AccessToken(Value, frozen=True):
    """A signed token, and how long it is good from its making on."""

    text: str
    lifetime: timedelta


class TokenSigner(Protocol):
    """Makes access tokens, and tells what they are verified with."""

    @property
    def lifetime(self) -> timedelta:
        """How long a token is good."""

    def sign(
        self, subject: Subject, token_id: str, now: datetime, until: datetime | None = None
    ) -> AccessToken:
        """Returns a token that is good for `lifetime`, or only until the time that is given."""

    def jwks(self) -> Jwks:
        """Returns the public keys that a valid token may be signed with, the signing one first."""
