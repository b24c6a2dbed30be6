"""What an empty database needs before serving. Every start goes through it; repeats do nothing."""

from dataclasses import dataclass
from datetime import timedelta

from auth_service.application.commands.accounts import CreateFirstAdmin, SetServiceAccount
from auth_service.application.commands.signing_keys import EnsureSigningKey
from auth_service.application.ports import Changes, Directory, PasswordHasher
from auth_service.domain.passwords import PasswordRules
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.usernames import username_key
from servicekit import logs
from servicekit.clock import Clock
from servicekit.config import ConfigurationError
from servicekit.errors import Failure
from servicekit.ids import IdSource

SERVICE_ACCOUNTS = ("job-service", "scheduler-service", "gateway")

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class FirstStart:
    """Makes the signing key and the accounts that nobody could register."""

    changes: Changes
    directory: Directory
    hasher: PasswordHasher
    rules: PasswordRules
    token_lifetime: timedelta
    clock: Clock
    new_id: IdSource

    async def signing_keys(self, candidate: SigningKey) -> list[SigningKey]:
        """Returns the database's keys, else the candidate, which is then stored."""
        return await self.changes.execute(EnsureSigningKey(candidate))

    async def first_admin(self, username: str, password: str) -> None:
        """Makes the first admin if there is none yet and a password is given.

        Raises:
            ConfigurationError: name or password is unfit, or a user has that name.
        """
        if await self.directory.has_admin():
            return
        if not password:
            _log.warning("there is no admin: give GPUAAS_AUTH_ADMIN_PASSWORD(_FILE) to make one")
            return
        try:
            self.rules.check(password, username)
            password_hash = await self.hasher.hash(password)
            command = CreateFirstAdmin(self.new_id(), username, password_hash, self.clock.now())
            await self.changes.execute(command)
        except Failure as failure:
            raise ConfigurationError(f"the first admin cannot be made: {failure.message}") from None

    async def service_accounts(self, password: str) -> None:
        """Gives every service account this password, making those that are missing.

        Raises:
            ConfigurationError: the password is unfit, or a person has an account's name.
        """
        if not password:
            return
        try:
            self.rules.check(password)
            for username in SERVICE_ACCOUNTS:
                await self._service_account(username, password)
        except Failure as failure:
            raise ConfigurationError(
                f"the service accounts cannot be made: {failure.message}"
            ) from None

    async def _service_account(self, username: str, password: str) -> None:
        account = await self.directory.named(username_key(username))
        if account and await self.hasher.matches(password, account.password_hash):
            return
        password_hash = await self.hasher.hash(password)
        command = SetServiceAccount(
            self.new_id(), username, password_hash, self.token_lifetime, self.clock.now()
        )
        await self.changes.execute(command)
