"""The ports of auth_service in memory, held to the same contract suite as the databases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from auth_service.application.ports import Command
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User
from servicekit.errors import Aborted

T = TypeVar("T")


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
class FakeSigningKeys:
    """Keys in a list."""

    keys: list[SigningKey] = field(default_factory=list)

    def newest(self) -> SigningKey | None:
        return max(self.keys, key=lambda key: key.created_at, default=None)

    def add(self, key: SigningKey) -> None:
        self.keys.append(key)


@dataclass
class FakeEvents:
    """Events in a list."""

    appended: list[UserRegistered] = field(default_factory=list)

    def append(self, event: UserRegistered) -> None:
        self.appended.append(event)


@dataclass
class FakeUnit:
    """Everything in memory."""

    users: FakeUsers = field(default_factory=FakeUsers)
    signing_keys: FakeSigningKeys = field(default_factory=FakeSigningKeys)
    events: FakeEvents = field(default_factory=FakeEvents)


@dataclass
class FakeStore:
    """The writer and the directory over one unit that stays. A refused command changes nothing."""

    unit: FakeUnit = field(default_factory=FakeUnit)

    async def execute(self, command: Command[T]) -> T:
        trial = FakeUnit(
            FakeUsers(dict(self.unit.users.by_id)),
            FakeSigningKeys(list(self.unit.signing_keys.keys)),
            FakeEvents(list(self.unit.events.appended)),
        )
        answer = command.run(trial)
        self.unit = trial
        return answer

    async def get(self, user_id: str) -> User | None:
        return self.unit.users.get(user_id)

    async def named(self, username_key: str) -> User | None:
        return self.unit.users.named(username_key)

    async def has_admin(self) -> bool:
        return self.unit.users.has_admin()


@dataclass
class FakeHasher:
    """Hashes that can be read, and a count of the comparisons that were made."""

    compared: int = 0

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def matches(self, password: str, password_hash: str | None) -> bool:
        self.compared += 1
        return password_hash == f"hash of {password}"

    async def digest(self, password: str, seed: str) -> str:
        return f"digest of {password} with {seed}"
