"""The records of auth_service in memory: what one command works on."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from auth_service.domain import api_keys, devices
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import AuditEntry, AuditEvent, Link, chained
from auth_service.domain.devices import Device
from auth_service.domain.events import AuthEvent, TokensRevoked
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.sessions import Session
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.tickets import Ticket
from auth_service.domain.users import User
from servicekit.errors import Aborted

K = TypeVar("K")
V = TypeVar("V")


@dataclass
class FakeUsers:
    """Users in a dictionary."""

    by_id: dict[str, User] = field(default_factory=dict)

    def get(self, user_id: str) -> User | None:
        return self.by_id.get(user_id)

    def named(self, username_key: str) -> User | None:
        return self._first(lambda user: user.username_key == username_key)

    def with_email(self, email_key: str) -> User | None:
        return self._first(lambda user: user.email_key == email_key)

    def has_admin(self) -> bool:
        return self._first(lambda user: user.role is Role.ADMIN) is not None

    def has_active_admin_besides(self, user_id: str) -> bool:
        return any(user.is_active_admin and user.id != user_id for user in self.by_id.values())

    def taken(self, username_keys: Iterable[str], email_keys: Iterable[str]) -> set[str]:
        names = {user.username_key for user in self.by_id.values()} & set(username_keys)
        return names | {it.email_key for it in self.by_id.values() if it.email_key} & set(
            email_keys
        )

    def add(self, user: User) -> None:
        email = user.email_key and self.with_email(user.email_key)
        if user.id in self.by_id or self.named(user.username_key) or email:
            raise Aborted("not unique")
        self.by_id[user.id] = user

    def replace(self, user: User) -> None:
        if user.id not in self.by_id:
            raise LookupError(user.id)
        self.by_id[user.id] = user

    def _first(self, condition: Callable[[User], bool]) -> User | None:
        return next(filter(condition, self.by_id.values()), None)


@dataclass
class FakeSessions:
    """Sessions in a dictionary."""

    by_id: dict[str, Session] = field(default_factory=dict)

    def get(self, session_id: str) -> Session | None:
        return self.by_id.get(session_id)

    def add(self, session: Session) -> None:
        if session.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[session.id] = session

    def replace(self, session: Session) -> None:
        if session.id not in self.by_id:
            raise LookupError(session.id)
        self.by_id[session.id] = session

    def remove(self, session_id: str) -> bool:
        return self.by_id.pop(session_id, None) is not None

    def remove_all(self, user_id: str) -> int:
        theirs = [it.id for it in self.by_id.values() if it.user_id == user_id]
        return sum(map(self.remove, theirs))

    def keep_newest(self, user_id: str, most: int) -> None:
        theirs = [it for it in self.by_id.values() if it.user_id == user_id]
        for session in sorted(theirs, key=lambda it: (it.created_at, it.id))[: -most or None]:
            self.remove(session.id)


@dataclass
class FakeDevices:
    """Devices in a dictionary."""

    by_hash: dict[bytes, Device] = field(default_factory=dict)

    def put(self, device: Device) -> None:
        self.by_hash[device.hash] = device

    def remove_all(self, user_id: str) -> None:
        self.by_hash = {key: it for key, it in self.by_hash.items() if it.user_id != user_id}

    def keep_newest(self, user_id: str, most: int) -> None:
        theirs = [it for it in self.by_hash.values() if it.user_id == user_id]
        for device in sorted(theirs, key=lambda it: it.used_at)[: -most or None]:
            del self.by_hash[device.hash]


@dataclass
class FakeApiKeys:
    """Keys in a dictionary."""

    by_id: dict[str, ApiKey] = field(default_factory=dict)

    def get(self, api_key_id: str) -> ApiKey | None:
        return self.by_id.get(api_key_id)

    def of(self, user_id: str) -> list[ApiKey]:
        return [key for key in self.by_id.values() if key.user_id == user_id]

    def add(self, key: ApiKey) -> None:
        if key.id in self.by_id or key.secret_hash in [
            it.secret_hash for it in self.by_id.values()
        ]:
            raise Aborted("not unique")
        self.by_id[key.id] = key

    def replace(self, key: ApiKey) -> None:
        if key.id not in self.by_id:
            raise LookupError(key.id)
        self.by_id[key.id] = key


@dataclass
class FakeTickets:
    """Tickets in a dictionary."""

    by_hash: dict[bytes, Ticket] = field(default_factory=dict)

    def add(self, ticket: Ticket) -> None:
        self.by_hash[ticket.hash] = ticket

    def take(self, ticket_hash: bytes) -> Ticket | None:
        return self.by_hash.pop(ticket_hash, None)


@dataclass
class FakeTallies:
    """Tallies in a dictionary."""

    by_key: dict[str, Tally] = field(default_factory=dict)

    def get(self, keys: Sequence[str]) -> dict[str, Tally]:
        return {key: self.by_key[key] for key in keys if key in self.by_key}

    def put(self, key: str, tally: Tally) -> None:
        self.by_key[key] = tally


@dataclass
class FakeSigningKeys:
    """Keys in a dictionary."""

    by_id: dict[str, SigningKey] = field(default_factory=dict)

    def all(self) -> list[SigningKey]:
        return list(self.by_id.values())

    def add(self, key: SigningKey) -> None:
        if key.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[key.id] = key

    def replace(self, key: SigningKey) -> None:
        if key.id not in self.by_id:
            raise LookupError(key.id)
        self.by_id[key.id] = key

    def remove(self, key_id: str) -> None:
        self.by_id.pop(key_id, None)


@dataclass
class FakeEvents:
    """Events in a list; `trimmed` is how many of its first ones are gone."""

    appended: list[AuthEvent] = field(default_factory=list)
    trimmed: int = 0

    def append(self, event: AuthEvent) -> None:
        self.appended.append(event)


@dataclass
class FakeRevocations:
    """Revocations by user and session, each with its place among the events."""

    events: FakeEvents
    by_key: dict[tuple[str, str], tuple[int, TokensRevoked]] = field(default_factory=dict)

    def add(self, revoked: TokensRevoked) -> None:
        self.events.append(revoked)
        key = revoked.user_id, revoked.session_id or revoked.key_id
        self.by_key[key] = len(self.events.appended), revoked


@dataclass
class FakeAudit:
    """Audit events in a list."""

    appended: list[AuditEvent] = field(default_factory=list)

    @property
    def end(self) -> Link:
        return self.appended[-1].link if self.appended else Link()

    def append(self, entry: AuditEntry) -> None:
        self.appended.append(chained(self.end, entry))


class FakeExpired:
    """Forgets in the dictionaries of the others."""

    def __init__(self, unit: "FakeUnit") -> None:
        self._unit = unit

    def forget(self, now: datetime, most: int) -> int:
        unit, unused = self._unit, now - devices.LIFETIME
        over = now - api_keys.KEPT_AFTER_ITS_END
        return sum(
            [
                _drop(unit.sessions.by_id, lambda it: it.expires_at <= now, most),
                _drop(unit.devices.by_hash, lambda it: it.used_at <= unused, most),
                _drop(unit.tickets.by_hash, lambda it: it.expires_at <= now, most),
                _drop(unit.tallies.by_key, lambda it: it.forgotten_at <= now, most),
                _drop(unit.revocations.by_key, lambda it: it[1].expires_at <= now, most),
                _drop(unit.api_keys.by_id, lambda it: not _is_kept(it, over), most),
            ]
        )

    def trim_events(self, before: datetime, most: int) -> int:
        events = self._unit.events
        young = (place for place, it in enumerate(events.appended) if it.at >= before)
        last = min(next(young, len(events.appended)), events.trimmed + most)
        trimmed = max(0, last - events.trimmed)
        events.trimmed += trimmed
        return trimmed


@dataclass
class FakeUnit:
    """Everything in memory."""

    users: FakeUsers = field(default_factory=FakeUsers)
    sessions: FakeSessions = field(default_factory=FakeSessions)
    devices: FakeDevices = field(default_factory=FakeDevices)
    api_keys: FakeApiKeys = field(default_factory=FakeApiKeys)
    tickets: FakeTickets = field(default_factory=FakeTickets)
    tallies: FakeTallies = field(default_factory=FakeTallies)
    signing_keys: FakeSigningKeys = field(default_factory=FakeSigningKeys)
    audit: FakeAudit = field(default_factory=FakeAudit)
    events: FakeEvents = field(default_factory=FakeEvents)
    revocations: FakeRevocations = field(init=False)
    expired: FakeExpired = field(init=False)

    def __post_init__(self) -> None:
        self.revocations = FakeRevocations(self.events)
        self.expired = FakeExpired(self)

    def copied(self) -> "FakeUnit":
        """Returns another unit with the same records, which are values and stay as they are."""
        copies = {it.name: _copied(getattr(self, it.name)) for it in fields(self) if it.init}
        unit = FakeUnit(**copies)
        unit.revocations.by_key = dict(self.revocations.by_key)
        return unit


def _copied(records: Any) -> Any:
    """Returns the same records in dictionaries and lists of their own."""
    return replace(records, **{it.name: copy(getattr(records, it.name)) for it in fields(records)})


def _drop(items: dict[K, V], is_over: Callable[[V], bool], most: int) -> int:
    keys = [key for key, item in items.items() if is_over(item)][:most]
    for key in keys:
        del items[key]
    return len(keys)


def _is_kept(key: ApiKey, over: datetime) -> bool:
    return key.expires_at > over and (key.revoked_at is None or key.revoked_at > over)
