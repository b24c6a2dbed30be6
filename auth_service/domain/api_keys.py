"""An API key: what a script or a service gets access tokens with."""

from datetime import datetime, timedelta

from auth_service.domain.errors import ApiKeyInvalid, RoleForbidden
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from servicekit.errors import invalid
from servicekit.values import Value, replace

MOST_ACTIVE = 50
MOST_KEPT = 500
"""Keys of a user that are kept, the revoked and expired ones among them."""
LONGEST_NAME = 100
USE_NOTED_EVERY = timedelta(minutes=1)
KEPT_AFTER_ITS_END = timedelta(days=90)


class ApiKey(Value, frozen=True):
    """A key without its secret. `last_used_at` is exact to USE_NOTED_EVERY."""

    hidden = ("secret_hash",)
    id: str
    user_id: str
    name: str
    prefix: str
    secret_hash: bytes
    role: Role
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Tells whether it works as far as the key itself is concerned."""
        return self.revoked_at is None and now < self.expires_at

    def checked_user(self, user: User | None, now: datetime) -> User:
        """Returns its user; ApiKeyInvalid unless it gets tokens of this user now.

        A key never does more than its user: it stops working when the user no longer has the role.
        """
        if user is None or user.disabled or not self.is_active(now):
            raise ApiKeyInvalid
        if not user.role.covers(self.role):
            raise ApiKeyInvalid
        return user

    def use_is_worth_noting(self, now: datetime) -> bool:
        """Tells whether the last use that was noted is long enough ago."""
        return self.last_used_at is None or now - self.last_used_at >= USE_NOTED_EVERY

    def used(self, now: datetime) -> "ApiKey":
        """The key with its last use."""
        return replace(self, last_used_at=now)

    def revoked(self, now: datetime) -> "ApiKey":
        """The key without its power; the first revocation counts."""
        return self if self.revoked_at else replace(self, revoked_at=now)


def checked_key_name(text: str) -> str:
    """Returns the name; FIELD_INVALID if it is none."""
    if not (0 < len(text) <= LONGEST_NAME and text.isprintable() and text.strip() == text):
        raise invalid("name", f"1 to {LONGEST_NAME} printable characters, no space at either end")
    return text


def key_role(user: User, wanted: Role | None) -> Role:
    """Returns the role of a new key; RoleForbidden if it is more than the user may do."""
    role = wanted or user.role
    if not user.role.covers(role):
        raise RoleForbidden(f"a key of a user with the role {user.role} cannot have {role}")
    return role


def key_end(wanted: datetime | None, longest: timedelta, now: datetime) -> datetime:
    """Returns when a new key ends; FIELD_INVALID if it is over already or too far away."""
    latest = now + longest
    if wanted is None:
        return latest
    if not now < wanted <= latest:
        raise invalid("expire_time", f"a time after now and at most {longest.days} days ahead")
    return wanted
