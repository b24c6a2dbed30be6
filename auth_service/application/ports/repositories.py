"""What one transaction sees of the service's records."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import AuditEntry
from auth_service.domain.devices import Device
from auth_service.domain.events import AuthEvent, TokensRevoked
from auth_service.domain.guessing import Tally
from auth_service.domain.sessions import Session
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.tickets import Ticket
from auth_service.domain.users import User


class Users(Protocol):
    """All users."""

    def get(self, user_id: str) -> User | None:
        """Returns the user of this id."""

    def named(self, username_key: str) -> User | None:
        """Returns the user whose name has this key."""

    def with_email(self, email_key: str) -> User | None:
        """Returns the user whose address has this key."""

    def has_admin(self) -> bool:
        """Tells whether any user has the role ADMIN."""

    def has_active_admin_besides(self, user_id: str) -> bool:
        """Tells whether anybody else is an admin who is not disabled."""

    def taken(self, username_keys: Iterable[str], email_keys: Iterable[str]) -> set[str]:
        """Returns those of the keys that users have, in few statements for many keys."""

    def add(self, user: User) -> None:
        """Adds a user whose id, name and address no other user has."""

    def replace(self, user: User) -> None:
        """Puts a user in the place of the one with the same id."""


class Sessions(Protocol):
    """The sessions that have not ended."""

    def get(self, session_id: str) -> Session | None:
        """Returns the session of this id."""

    def add(self, session: Session) -> None:
        """Adds a session."""

    def replace(self, session: Session) -> None:
        """Puts a session in the place of the one with the same id."""

    def remove(self, session_id: str) -> bool:
        """Ends a session, and tells whether there was one."""

    def remove_all(self, user_id: str) -> int:
        """Ends all sessions of a user, and counts them."""

    def keep_newest(self, user_id: str, most: int) -> None:
        """Ends the oldest sessions of a user beyond this number."""


class Devices(Protocol):
    """The devices that users signed in on."""

    def put(self, device: Device) -> None:
        """Adds a device, or puts it in the place of the one with the same hash."""

    def remove_all(self, user_id: str) -> None:
        """Forgets all devices of a user."""

    def keep_newest(self, user_id: str, most: int) -> None:
        """Forgets the devices of a user that were not used for longest, beyond this number."""


class ApiKeys(Protocol):
    """All API keys."""

    def get(self, api_key_id: str) -> ApiKey | None:
        """Returns the key of this id."""

    def of(self, user_id: str) -> list[ApiKey]:
        """Returns all keys of a user that are kept, also those that are over."""

    def add(self, key: ApiKey) -> None:
        """Adds a key whose id and secret no other key has."""

    def replace(self, key: ApiKey) -> None:
        """Puts a key in the place of the one with the same id."""


class Tickets(Protocol):
    """The tickets that nobody has used yet."""

    def add(self, ticket: Ticket) -> None:
        """Adds a ticket."""

    def take(self, ticket_hash: bytes) -> Ticket | None:
        """Returns the ticket of this hash and removes it."""


class Tallies(Protocol):
    """What was counted against accounts, addresses and devices."""

    def get(self, keys: Sequence[str]) -> dict[str, Tally]:
        """Returns the tallies that these keys have."""

    def put(self, key: str, tally: Tally) -> None:
        """Stores the tally of a key."""


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    def all(self) -> list[SigningKey]:
        """Returns every key."""

    def add(self, key: SigningKey) -> None:
        """Adds a key."""

    def replace(self, key: SigningKey) -> None:
        """Puts a key in the place of the one with the same id."""

    def remove(self, key_id: str) -> None:
        """Deletes a key, with the private half of it."""


class Audit(Protocol):
    """The end of the audit log."""

    def append(self, entry: AuditEntry) -> None:
        """Appends what happened, to be stored together with the change itself."""


class Events(Protocol):
    """The end of the service's event log."""

    def append(self, event: AuthEvent) -> None:
        """Appends what happened, to be stored together with the change itself."""


class Revocations(Protocol):
    """Which tokens no longer count; everybody who verifies tokens hears of it."""

    def add(self, revoked: TokensRevoked) -> None:
        """Stores the revocation and appends it to the event log."""


class Expired(Protocol):
    """What is kept only for a time."""

    def forget(self, now: datetime, most: int) -> int:
        """Deletes what is over, up to `most` rows of each kind, and counts the rows."""

    def trim_events(self, before: datetime, most: int) -> int:
        """Deletes up to `most` of the oldest events of the log, and counts them.

        Those from the first event on that is not before the time stay.
        """
