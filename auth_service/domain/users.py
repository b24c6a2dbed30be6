"""A user, and everything that can happen to one."""

from datetime import datetime

from auth_service.domain import teams
from auth_service.domain.emails import checked_email, email_key
from auth_service.domain.errors import AccessRevoked, CredentialsInvalid
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.usernames import checked_username, username_key
from servicekit.values import Value, replace

DEFAULT_TEAM = teams.DEFAULT


class UserChanges(Value, frozen=True):
    """What an admin wants to be different; None leaves a field as it is."""

    role: Role | None = None
    team: str | None = None
    disabled: bool | None = None
    email: str | None = None


class User(Value, frozen=True):
    """A person or program that can sign in. Made by `register`, changed by its verbs.

    Attributes:
        password_change_required: only the password may be changed until that was done.
        generation: which generation of tokens counts; tokens of earlier ones are revoked.
    """

    hidden = ("password_hash",)
    id: str
    username: str
    password_hash: str
    role: Role
    created_at: datetime
    updated_at: datetime
    email: str = ""
    team: str = DEFAULT_TEAM
    disabled: bool = False
    password_change_required: bool = False
    last_login_at: datetime | None = None
    generation: int = 1

    @property
    def username_key(self) -> str:
        """What no other user's name may have in common with this one's."""
        return username_key(self.username)

    @property
    def email_key(self) -> str | None:
        """What no other user's address may have in common with this one's."""
        return email_key(self.email)

    @property
    def is_active_admin(self) -> bool:
        """Whether it is somebody who can manage the system."""
        return self.role is Role.ADMIN and not self.disabled

    def logged_in(self, password_hash: str, now: datetime) -> "User":
        """The user after a login with the right password, which may have got a better hash.

        CredentialsInvalid if disabled.
        """
        if self.disabled:
            raise CredentialsInvalid
        return replace(self, password_hash=password_hash, last_login_at=now)

    def with_password(self, password_hash: str, now: datetime) -> "User":
        """The user with a password of its own choice; tokens got with the old one are revoked."""
        return replace(
            self._revoked(),
            password_hash=password_hash,
            password_change_required=False,
            updated_at=now,
        )

    def signed_out(self) -> "User":
        """The user without any token that counts."""
        return self._revoked()

    def changed(self, changes: UserChanges, now: datetime) -> "User":
        """The user as an admin wants it; other tokens are needed where these would say otherwise.

        Raises:
            InvalidArgument: FIELD_INVALID, the team or the address is none.
        """
        user = replace(
            self,
            role=changes.role or self.role,
            team=self.team if changes.team is None else teams.checked_team(changes.team),
            disabled=self.disabled if changes.disabled is None else changes.disabled,
            email=self.email if changes.email is None else checked_email(changes.email),
        )
        if user == self:
            return self
        if _told_by_tokens(user) != _told_by_tokens(self):
            user = user._revoked()
        return replace(user, updated_at=now)

    def check_access(self) -> None:
        """Raises AccessRevoked if the user's tokens are no longer good."""
        if self.disabled:
            raise AccessRevoked

    def _revoked(self) -> "User":
        return replace(self, generation=self.generation + 1)


def register(
    user_id: str,
    username: str,
    email: str,
    password_hash: str,
    now: datetime,
    *,
    role: Role = Role.USER,
    team: str = DEFAULT_TEAM,
    password_change_required: bool = False,
) -> tuple[User, UserRegistered]:
    """Returns a new user, and the event that says so.

    Raises:
        UsernameInvalid: the name is none.
        InvalidArgument: FIELD_INVALID, the address or the team is none.
    """
    user = User(
        id=user_id,
        username=checked_username(username),
        password_hash=password_hash,
        role=role,
        created_at=now,
        updated_at=now,
        email=checked_email(email),
        team=teams.checked_team(team),
        password_change_required=password_change_required,
    )
    return user, UserRegistered(user.id, user.username, role, now)


def differences(before: User, after: User) -> tuple[tuple[str, str], ...]:
    """Returns what an audit entry says of a change, by field: "old -> new"."""
    names = ("role", "team", "disabled", "email")
    values = [(name, getattr(before, name), getattr(after, name)) for name in names]
    return tuple((name, f"{_said(old)} -> {_said(new)}") for name, old, new in values if old != new)


def _told_by_tokens(user: User) -> tuple[Role, str, bool]:
    return user.role, user.team, user.disabled


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
