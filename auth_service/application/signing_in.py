"""Signing in: who guesses is slowed down, and learns nothing but that it was wrong."""

import asyncio
import hmac
from dataclasses import dataclass, field
from datetime import timedelta

from auth_service.application.attempts import Attempts, Tried
from auth_service.application.commands.sessions import BeginSession, Begun
from auth_service.application.ports import (
    Changes,
    Credentials,
    Directory,
    NobodyLooked,
    PasswordHasher,
    Random,
)
from auth_service.application.turns import Turns
from auth_service.domain import sessions
from auth_service.domain.audit import Action, Origin
from auth_service.domain.credentials import SECRET_BYTES, device_text, hashed
from auth_service.domain.errors import CredentialsInvalid, UsernameInvalid
from auth_service.domain.guessing import Charge, Limits
from auth_service.domain.sessions import NewSession
from auth_service.domain.usernames import checked_username, username_key
from auth_service.domain.users import User
from servicekit.clock import Clock
from servicekit.errors import ResourceExhausted
from servicekit.ids import IdSource
from servicekit.values import Value


class Attempt(Value, frozen=True):
    """What somebody gave to sign in with."""

    hidden = ("password", "device_token")
    username: str
    password: str
    device_token: str
    origin: Origin


class SignedIn(Value, frozen=True):
    """A session that was begun, and the token by which its device will be known."""

    hidden = ("device_token",)
    begun: Begun
    device_token: str


class ServicePassword(Value, frozen=True):
    """The password that the system's services share; guessing others' does not lock them out."""

    hidden = ("password",)
    usernames: frozenset[str]
    password: str

    def is_given(self, attempt: Attempt) -> bool:
        """Tells whether it is a service that signs in, in constant time for its password."""
        same = hmac.compare_digest(attempt.password.encode(), self.password.encode())
        return same and bool(self.password) and attempt.username in self.usernames


class PasswordCheck:
    """Looks at a password, if it may: counts the attempt first, and takes that back for success."""

    def __init__(self, attempts: Attempts, hasher: PasswordHasher) -> None:
        self._attempts = attempts
        self._hasher = hasher

    async def matches(
        self, password: str, password_hash: str | None, charges: tuple[Charge, ...], tried: Tried
    ) -> bool:
        """Tells whether the hash is this password's; what was charged stays charged.

        Raises:
            LoginThrottled: the attempt comes too early; nobody looked at the password.
            ResourceExhausted: OVERLOADED; nothing is counted.
            NobodyLooked: the caller went away in time; nothing is counted.
        """
        await self._attempts.charge(charges, tried)
        try:
            return await self._hasher.matches(password, password_hash)
        except (ResourceExhausted, NobodyLooked):
            # Once it was looked at the charge stays, also if whoever asked has gone: a right
            # password is answered sooner than a wrong one.
            await self._attempts.refund(charges)
            raise


@dataclass(frozen=True, eq=False)
class SignIn:
    """Begins sessions. `failure_time` is how long a failure takes at least, from its arrival on."""

    attempts: Attempts
    check: PasswordCheck
    changes: Changes
    directory: Directory
    credentials: Credentials
    hasher: PasswordHasher
    services: ServicePassword
    limits: Limits
    session_lifetime: timedelta
    failure_time: timedelta
    random: Random
    clock: Clock
    new_id: IdSource
    turns: Turns = field(default_factory=Turns)

    async def __call__(self, attempt: Attempt) -> SignedIn:
        """Returns the session of the user whose name and password these are.

        Unknown names, wrong passwords and disabled users take the same steps and the same time:
        whatever the hash behind them cost, the answer leaves when `failure_time` is over.

        Raises:
            CredentialsInvalid: it failed; never says why.
            LoginThrottled: too many attempts failed.
        """
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + self.failure_time.total_seconds()
        account = _account(attempt.username)
        try:
            async with self.turns.of(account):
                return await self._sign_in(attempt, account)
        except CredentialsInvalid:
            await asyncio.sleep(max(0.0, answer_at - loop.time()))
            raise

    async def _sign_in(self, attempt: Attempt, account: str) -> SignedIn:
        user = await self.directory.named(account)
        device_hash = await self._known_device(attempt, user)
        charges = self._charges(attempt, account, device_hash)
        stored = user.password_hash if user else None
        tried = Tried(Action.LOGIN, attempt.origin, user.id if user else "")
        matches = await self.check.matches(attempt.password, stored, charges, tried)
        if user is None or not matches or user.disabled:
            await self.attempts.record(tried, CredentialsInvalid.reason)
            raise CredentialsInvalid
        device_token = attempt.device_token
        if not device_hash:
            device_token = device_text(self.random(SECRET_BYTES))
        begin = BeginSession(
            user_id=user.id,
            verified_hash=user.password_hash,
            password_hash=await self._present_hash(user, attempt.password),
            session=self.new_session(),
            device_hash=hashed(device_token),
            charges=charges,
            origin=attempt.origin,
            now=self.clock.now(),
        )
        return SignedIn(await self.changes.execute(begin), device_token)

    def new_session(self) -> NewSession:
        """Returns what a session can be begun with."""
        secret, seal = self.random(sessions.SECRET_BYTES), self.random(sessions.SEAL_BYTES)
        return NewSession(self.new_id(), secret, seal, self.session_lifetime)

    def _charges(
        self, attempt: Attempt, account: str, device_hash: bytes | None
    ) -> tuple[Charge, ...]:
        if self.services.is_given(attempt):
            return ()
        if device_hash:
            return self.limits.device(device_hash)
        return self.limits.stranger(account, attempt.origin.address)

    async def _known_device(self, attempt: Attempt, user: User | None) -> bytes | None:
        """Returns the hash of the device's token, if the user signed in there before."""
        if not attempt.device_token:
            return None
        device = await self.credentials.device(hashed(attempt.device_token))
        if device and user and device.is_known(user.id, self.clock.now()):
            return device.hash
        return None

    async def _present_hash(self, user: User, password: str) -> str:
        """Returns the user's hash, or a better one while the password is at hand."""
        if self.hasher.is_outdated(user.password_hash):
            return await self.hasher.hash(password)
        return user.password_hash


def _account(username: str) -> str:
    """Returns the key of a name; what is no name is its own key, which no user has."""
    try:
        return username_key(checked_username(username))
    except UsernameInvalid:
        return f"\N{REPLACEMENT CHARACTER}{hashed(username).hex()}"
