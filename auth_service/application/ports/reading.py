"""What is on disk, read beside the writer. Raises Unavailable when the database does not answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import Action, AuditEvent, Link
from auth_service.domain.devices import Device
from auth_service.domain.events import TokensRevoked
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.values import Value


class UserQuery(Value, frozen=True):
    """Conditions of a list of users; what is empty or None is no condition."""

    role: Role | None = None
    team: str = ""
    disabled: bool | None = None
    username_prefix: str = ""


class ApiKeyQuery(Value, frozen=True):
    """Whose API keys; those that are over at `now` only when asked for."""

    user_id: str
    active_at: datetime | None = None


class AuditQuery(Value, frozen=True):
    """Conditions of a list of audit events; what is empty or None is no condition."""

    actor_id: str = ""
    target: str = ""
    action: Action | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None


class Directory(Protocol):
    """The users."""

    async def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""

    async def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""

    async def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""

    async def users(self, query: UserQuery, after: str | None, limit: int) -> list[User]:
        """Returns a page of users by the key of their name, after the one with that key."""


class Credentials(Protocol):
    """What users prove themselves with, besides passwords."""

    async def device(self, device_hash: bytes) -> Device | None:
        """Returns the device whose token has this hash."""

    async def tallies(self, keys: Sequence[str]) -> dict[str, Tally]:
        """Returns the tallies that these keys have."""

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        """Returns the API key whose secret has this hash."""

    async def api_keys(
        self, query: ApiKeyQuery, after: tuple[int, str] | None, limit: int
    ) -> list[ApiKey]:
        """Returns a page of keys, newest first, after the one made at that microsecond."""


class AuditLog(Protocol):
    """The audit log."""

    async def events(self, query: AuditQuery, before: int | None, limit: int) -> list[AuditEvent]:
        """Returns a page of events, newest first, before that sequence."""

    async def chain(self, after: int, limit: int) -> list[AuditEvent]:
        """Returns events in their order, after that sequence."""

    async def end(self) -> Link:
        """Returns the place of the last event that was appended."""


class RevocationsInForce(NamedTuple):
    """What was revoked as of a revision of the event log, each with its own, oldest first."""

    revision: int
    revoked: list[tuple[int, TokensRevoked]]


class Keys(Protocol):
    """Signing keys, and which tokens do not count although one of them signed them."""

    async def signing_keys(self) -> list[SigningKey]:
        """Returns every key."""

    async def revocations(self, now: datetime) -> RevocationsInForce:
        """Returns the revocations whose tokens have not all expired by `now`."""
