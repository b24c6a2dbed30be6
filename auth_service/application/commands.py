"""Everything that changes state. A command runs in the writer, in its group's transaction."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from auth_service.application.ports import UnitOfWork
from auth_service.domain.errors import CredentialsInvalid, EmailTaken, UsernameTaken
from auth_service.domain.roles import Role
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.users import User, register


@dataclass(frozen=True, slots=True)
class RegisterUser:
    """Makes a user. Refuses a name or an address that another user has."""

    name: ClassVar[str] = "user.register"
    user_id: str
    username: str
    email: str
    password_hash: str = field(repr=False)
    now: datetime

    def run(self, unit: UnitOfWork) -> User:
        """Returns the new user."""
        user, event = register(
            self.user_id, self.username, self.email, self.password_hash, self.now
        )
        if unit.users.named(user.username_key):
            raise UsernameTaken(user.username)
        if user.email_key and unit.users.with_email(user.email_key):
            raise EmailTaken(user.email)
        unit.users.add(user)
        unit.events.append(event)
        return user


@dataclass(frozen=True, slots=True)
class RecordLogin:
    """Notes that a user signed in. Refuses one who was disabled in the meantime."""

    name: ClassVar[str] = "user.log_in"
    user_id: str
    now: datetime

    def run(self, unit: UnitOfWork) -> User:
        """Returns the user as of now."""
        user = unit.users.get(self.user_id)
        if user is None:
            raise CredentialsInvalid
        user = user.logged_in(self.now)
        unit.users.replace(user)
        return user


@dataclass(frozen=True, slots=True)
class CreateFirstAdmin:
    """Makes an admin where there is none, who has to choose another password first."""

    name: ClassVar[str] = "user.create_first_admin"
    user_id: str
    username: str
    password_hash: str = field(repr=False)
    now: datetime

    def run(self, unit: UnitOfWork) -> bool:
        """Tells whether an admin was made; UsernameTaken if somebody else has the name."""
        if unit.users.has_admin():
            return False
        user, event = register(
            self.user_id,
            self.username,
            "",
            self.password_hash,
            self.now,
            role=Role.ADMIN,
            password_change_required=True,
        )
        if unit.users.named(user.username_key):
            raise UsernameTaken(user.username)
        unit.users.add(user)
        unit.events.append(event)
        return True


@dataclass(frozen=True, slots=True)
class SetServiceAccount:
    """Makes the account of a service, or gives it another password."""

    name: ClassVar[str] = "user.set_service_account"
    user_id: str
    username: str
    password_hash: str = field(repr=False)
    now: datetime

    def run(self, unit: UnitOfWork) -> User:
        """Returns the account; UsernameTaken if a person has the name."""
        new, event = register(
            self.user_id, self.username, "", self.password_hash, self.now, role=Role.SERVICE
        )
        account = unit.users.named(new.username_key)
        if account is None:
            unit.users.add(new)
            unit.events.append(event)
            return new
        if account.role is not Role.SERVICE:
            raise UsernameTaken(new.username)
        account = account.with_password(self.password_hash, self.now)
        unit.users.replace(account)
        return account


@dataclass(frozen=True, slots=True)
class EnsureSigningKey:
    """Gives an empty database its first signing key; later, and on replicas, that key is found."""

    name: ClassVar[str] = "signing_key.ensure"
    candidate: SigningKey

    def run(self, unit: UnitOfWork) -> SigningKey:
        """Returns the key to sign with."""
        key = unit.signing_keys.newest()
        if key is None:
            key = self.candidate
            unit.signing_keys.add(key)
        return key
