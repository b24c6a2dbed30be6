"""A user, and everything that can happen to one."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from auth_service.domain.emails import checked_email, email_key
from auth_service.domain.errors import AccessRevoked, CredentialsInvalid
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.usernames import checked_username, username_key

DEFAULT_TEAM = "default"


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that can sign in. Made by `register`, changed by its verbs.

    `password_change_required`: only the password may be changed until that was done.
    """

    id: str
    username: str
    password_hash: str = field(repr=False)
    role: Role
    created_at: datetime
    updated_at: datetime
    email: str = ""
    team: str = DEFAULT_TEAM
    disabled: bool = False
    password_change_required: bool = False
    last_login_at: datetime | None = None

    @property
    def username_key(self) -> str:
        """What no other user's name may have in common with this one's."""
        return username_key(self.username)

    @property
    def email_key(self) -> str | None:
        """What no other user's address may have in common with this one's."""
        return email_key(self.email)

    def logged_in(self, now: datetime) -> "User":
        """The user after a login with the right password; CredentialsInvalid if disabled."""
        if self.disabled:
            raise CredentialsInvalid
        return replace(self, last_login_at=now)

    def with_password(self, password_hash: str, now: datetime) -> "User":
        """The user with another password."""
        return replace(self, password_hash=password_hash, updated_at=now)

    def check_access(self) -> None:
        """Raises AccessRevoked if the user's tokens are no longer good."""
        if self.disabled:
            raise AccessRevoked


def register(
    user_id: str,
    username: str,
    email: str,
    password_hash: str,
    now: datetime,
    *,
    role: Role = Role.USER,
    password_change_required: bool = False,
) -> tuple[User, UserRegistered]:
    """Returns a new user, and the event that says so.

    Raises:
        UsernameInvalid: the name is none.
        InvalidArgument: FIELD_INVALID, the address is none.
    """
    user = User(
        id=user_id,
        username=checked_username(username),
        password_hash=password_hash,
        role=role,
        created_at=now,
        updated_at=now,
        email=checked_email(email),
        password_change_required=password_change_required,
    )
    return user, UserRegistered(user.id, user.username, role, now)
