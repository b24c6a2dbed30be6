"""What the application needs of the outside world."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from auth_service.domain.events import UserRegistered
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.identity import Jwks

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Users(Protocol):
    """All users, as one transaction sees them."""

    def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""

    def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""

    def with_email(self, email_key: str) -> User | None:
        """Returns the user whose address has this key."""

    def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""

    def add(self, user: User) -> None:
        """Adds a user whose id, name and address no other user has."""

    def replace(self, user: User) -> None:
        """Puts a user in the place of the one with the same id."""


class SigningKeys(Protocol):
    """The keys that sign access tokens, as one transaction sees them."""

    def newest(self) -> SigningKey | None:
        """Returns the key made last, or None on an empty database."""

    def add(self, key: SigningKey) -> None:
        """Adds a key."""


class Events(Protocol):
    """The end of the service's event log."""

    def append(self, event: UserRegistered) -> None:
        """Appends what happened, to be stored together with the change itself."""


class UnitOfWork(Protocol):
    """What one command may read and change; all of it is stored, or nothing."""

    @property
    def users(self) -> Users:
        """The users."""

    @property
    def signing_keys(self) -> SigningKeys:
        """The signing keys."""

    @property
    def events(self) -> Events:
        """The event log."""


class Command(Protocol[T_co]):
    """A change of state."""

    @property
    def name(self) -> str:
        """What logs and failpoints call it, such as "user.register"."""

    def run(self, unit: UnitOfWork) -> T_co:
        """Makes the change and returns its answer, or raises a Failure and changes nothing."""


class Changes(Protocol):
    """The one place through which state changes."""

    async def execute(self, command: Command[T]) -> T:
        """Runs a command and returns its answer once the change is on disk."""


class Directory(Protocol):
    """The users as they are on disk. Raises Unavailable when the database does not answer."""

    async def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""

    async def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""

    async def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""


class PasswordHasher(Protocol):
    """Slow hashes. Each method raises ResourceExhausted OVERLOADED when too many calls wait."""

    async def hash(self, password: str) -> str:
        """Returns a salted hash to store."""

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tells whether the hash is this password's; None never is, and takes as long."""

    async def digest(self, password: str, seed: str) -> str:
        """Returns the same for the same password and seed; as slow to guess from as a hash."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, and how long it is good from its making on."""

    text: str
    lifetime: timedelta


class TokenSigner(Protocol):
    """Makes access tokens, and tells what they are verified with."""

    def sign(self, user: User, token_id: str, now: datetime) -> AccessToken:
        """Returns a token that stands for the user."""

    def jwks(self) -> Jwks:
        """Returns the public keys that a valid token may be signed with, the signing one first."""
