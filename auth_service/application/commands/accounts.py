"""Making accounts: by registration, by import, and at the first start."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.commands.ending import revoke_all
from auth_service.application.ports import UnitOfWork
from auth_service.domain.audit import SYSTEM, Action, AuditEntry, Origin
from auth_service.domain.errors import EmailTaken, UsernameTaken
from auth_service.domain.events import UserRegistered
from auth_service.domain.roles import Role
from auth_service.domain.users import User, register
from servicekit.values import Value


class RegisterUser(Value, frozen=True):
    """Makes a user. Refuses a name or an address that another user has."""

    name: ClassVar[str] = "user.register"
    hidden = ("password_hash",)
    user_id: str
    username: str
    email: str
    password_hash: str
    origin: Origin
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
        _add(unit, user, event, self.origin, Action.REGISTER)
        return user


class CreateFirstAdmin(Value, frozen=True):
    """Makes an admin where there is none, who has to choose another password first."""

    name: ClassVar[str] = "user.create_first_admin"
    hidden = ("password_hash",)
    user_id: str
    username: str
    password_hash: str
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
        _add(unit, user, event, SYSTEM, Action.CREATE_FIRST_ADMIN)
        return True


class SetServiceAccount(Value, frozen=True):
    """Makes the account of a service, or gives it another password, which ends its sessions."""

    name: ClassVar[str] = "user.set_service_account"
    hidden = ("password_hash",)
    user_id: str
    username: str
    password_hash: str
    token_lifetime: timedelta
    now: datetime

    def run(self, unit: UnitOfWork) -> User:
        """Returns the account; UsernameTaken if a person has the name."""
        new, event = register(
            self.user_id, self.username, "", self.password_hash, self.now, role=Role.SERVICE
        )
        account = unit.users.named(new.username_key)
        if account is None:
            _add(unit, new, event, SYSTEM, Action.SET_SERVICE_ACCOUNT)
            return new
        if account.role is not Role.SERVICE:
            raise UsernameTaken(new.username)
        account = account.with_password(self.password_hash, self.now)
        unit.users.replace(account)
        unit.sessions.remove_all(account.id)
        revoke_all(unit, account, self.token_lifetime, self.now)
        unit.audit.append(AuditEntry(self.now, SYSTEM, Action.SET_SERVICE_ACCOUNT, account.id))
        return account


class ImportedUser(Value, frozen=True):
    """A user from elsewhere; `line` is where the import found it."""

    hidden = ("password_hash",)
    line: int
    id: str
    username: str
    email: str
    role: Role
    team: str
    password_hash: str


class ImportUsers(Value, frozen=True):
    """Makes users of an import, all or none; those whose name is taken may be left out."""

    name: ClassVar[str] = "user.import"
    users: Sequence[ImportedUser]
    skip_existing: bool
    now: datetime

    def run(self, unit: UnitOfWork) -> "Imported":
        """Returns what was done; nothing, if any line is in the way of another user."""
        made = [(it.line, *self._registered(it)) for it in self.users]
        taken = unit.users.taken(
            (user.username_key for _, user, _ in made),
            (user.email_key for _, user, _ in made if user.email_key),
        )
        if self.skip_existing:
            made = [it for it in made if it[1].username_key not in taken]
        collisions = [
            (line, "username" if user.username_key in taken else "email")
            for line, user, _ in made
            if {user.username_key, user.email_key} & taken
        ]
        if not collisions:
            for _, user, event in made:
                _add(unit, user, event, SYSTEM, Action.IMPORT_USER)
        return Imported(len(made), len(self.users) - len(made), tuple(collisions))

    def _registered(self, it: ImportedUser) -> tuple[User, UserRegistered]:
        return register(
            it.id, it.username, it.email, it.password_hash, self.now, role=it.role, team=it.team
        )


class Imported(Value, frozen=True):
    """What an import did: users made and left out; or (line, field) of what others have already."""

    made: int
    skipped: int
    collisions: tuple[tuple[int, str], ...]


def _add(
    unit: UnitOfWork, user: User, event: UserRegistered, origin: Origin, action: Action
) -> None:
    unit.users.add(user)
    unit.events.append(event)
    unit.audit.append(AuditEntry(event.at, origin, action, user.id))
