"""The ports of auth_service in memory, held to the same contract suite as the databases."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from auth_service.application.ports import (
    ApiKeyQuery,
    AuditQuery,
    Command,
    RevocationsInForce,
    UserQuery,
)
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import AuditEvent, Link
from auth_service.domain.devices import Device
from auth_service.domain.guessing import Tally
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.clock import to_micros
from tests.fakes.auth_records import FakeUnit

T = TypeVar("T")


@dataclass
class FakeStore:
    """The writer and all readers over one unit that stays. A refused command changes nothing."""

    unit: FakeUnit = field(default_factory=FakeUnit)

    async def execute(self, command: Command[T]) -> T:
        trial = self.unit.copied()
        answer = command.run(trial)
        self.unit = trial
        return answer

    async def get(self, user_id: str) -> User | None:
        return self.unit.users.get(user_id)

    async def named(self, username_key: str) -> User | None:
        return self.unit.users.named(username_key)

    async def has_admin(self) -> bool:
        return self.unit.users.has_admin()

    async def users(self, query: UserQuery, after: str | None, limit: int) -> list[User]:
        found = [
            user
            for user in self.unit.users.by_id.values()
            if query.role in (None, user.role)
            and query.team in ("", user.team)
            and query.disabled in (None, user.disabled)
            and user.username_key.startswith(query.username_prefix)
            and (after is None or user.username_key > after)
        ]
        return sorted(found, key=lambda user: user.username_key)[:limit]

    async def device(self, device_hash: bytes) -> Device | None:
        return self.unit.devices.by_hash.get(device_hash)

    async def tallies(self, keys: Sequence[str]) -> dict[str, Tally]:
        return self.unit.tallies.get(keys)

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        keys = self.unit.api_keys.by_id.values()
        return next((key for key in keys if key.secret_hash == secret_hash), None)

    async def api_keys(
        self, query: ApiKeyQuery, after: tuple[int, str] | None, limit: int
    ) -> list[ApiKey]:
        found = {
            (to_micros(key.created_at), key.id): key
            for key in self.unit.api_keys.of(query.user_id)
            if query.active_at is None or key.is_active(query.active_at)
        }
        places = [place for place in found if after is None or place < after]
        return [found[place] for place in sorted(places, reverse=True)[:limit]]

    async def events(self, query: AuditQuery, before: int | None, limit: int) -> list[AuditEvent]:
        found = [
            event
            for event in self.unit.audit.appended
            if query.actor_id in ("", event.entry.origin.actor_id)
            and query.target in ("", event.entry.target)
            and query.action in (None, event.entry.action)
            and (query.from_time is None or event.entry.at >= query.from_time)
            and (query.to_time is None or event.entry.at < query.to_time)
            and (before is None or event.link.sequence < before)
        ]
        return found[::-1][:limit]

    async def chain(self, after: int, limit: int) -> list[AuditEvent]:
        return self.unit.audit.appended[after : after + limit]

    async def end(self) -> Link:
        return self.unit.audit.end

    async def signing_keys(self) -> list[SigningKey]:
        return self.unit.signing_keys.all()

    async def revocations(self, now: datetime) -> RevocationsInForce:
        stored = self.unit.revocations.by_key.values()
        in_force = sorted(it for it in stored if it[1].expires_at > now)
        return RevocationsInForce(len(self.unit.events.appended), in_force)


@dataclass
class FakeHasher:
    """Hashes that can be read, and a count of the comparisons that were made."""

    compared: int = 0

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def matches(self, password: str, password_hash: str | None) -> bool:
        self.compared += 1
        return password_hash in (f"hash of {password}", f"old hash of {password}")

    async def digest(self, password: str, seed: str) -> str:
        return f"digest of {password} with {seed}"

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.startswith("old ")

    def adopted(self, foreign: str) -> str:
        if not foreign.startswith("old hash of "):
            raise ValueError("expected an old hash")
        return foreign
