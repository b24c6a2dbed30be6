"""Who calls: verification of access tokens against the issuer's public keys, without asking it.

A token is verified once and then remembered until it expires, so that the signature (about 200 us)
is not checked on every call. Keys come from the issuer's JWKS; an unknown key id fetches them
again, once for all who wait and not more often than every few seconds.
"""

import asyncio
import contextvars
import enum
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from servicekit.clock import Clock, SystemClock
from servicekit.errors import Failure, Unauthenticated, Unavailable

Jwks: TypeAlias = Mapping[str, Any]
FetchJwks: TypeAlias = Callable[[], Awaitable[Jwks]]

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, no secret
ALGORITHM = "EdDSA"
AUDIENCE = "gpuaas"
REQUIRED_CLAIMS = ("exp", "iat", "iss", "aud", "sub", "jti", "username", "role")

_log = logging.getLogger(__name__)
_HEADER_FIELDS = {"alg", "typ", "kid"}
_LONGEST_TOKEN = 4096
_CACHED_TOKENS = 10_000
_SKEW = timedelta(seconds=5)
_FETCH_INTERVAL = 5.0
_KEYS_FRESH = 300.0


class Role(enum.StrEnum):
    """What a caller is allowed to be; the contract's option names them in upper case."""

    USER = "user"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller: `subject` is the user's id, `token_id` the token's, times are UTC."""

    subject: str
    username: str
    role: Role
    team: str
    token_id: str
    expires_at: datetime


def bearer_token(authorization: str | None) -> str:
    """Returns the token of an `authorization` header; Unauthenticated TOKEN_MISSING without one."""
    if authorization is None:
        raise Unauthenticated("this call needs a bearer token", reason="TOKEN_MISSING")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("authorization: expected 'Bearer <token>'", reason="TOKEN_MISSING")
    return token


class Verifier:
    """Verifies access tokens of one issuer for one audience.

    `fetch_jwks` returns the issuer's key set (`{"keys": [...]}`); whatever it raises counts as
    the issuer being away.
    """

    def __init__(
        self,
        fetch_jwks: FetchJwks,
        issuer: str,
        audience: str = AUDIENCE,
        clock: Clock | None = None,
        *,
        cached_tokens: int = _CACHED_TOKENS,
    ) -> None:
        self._keys = _KeySet(fetch_jwks, clock or SystemClock(), self._forget)
        self._issuer = issuer
        self._audience = audience
        self._clock = clock or SystemClock()
        self._verified: OrderedDict[str, Identity] = OrderedDict()
        self._cached_tokens = cached_tokens

    def cached(self, token: str) -> Identity | None:
        """Returns the identity of a token verified before and still valid, else None."""
        identity = self._verified.get(token)
        if identity is None:
            return None
        if identity.expires_at <= self._clock.now():
            del self._verified[token]
            return None
        self._verified.move_to_end(token)
        return identity

    async def verify(self, token: str) -> Identity:
        """Returns the token's identity.

        Raises:
            Unauthenticated: TOKEN_EXPIRED, or TOKEN_INVALID for whatever else is wrong with it.
            Unavailable: its key is unknown here and the issuer does not answer.
        """
        identity = self.cached(token)
        if identity is None:
            key = await self._keys.key(_key_id(token))
            identity = self._identity(self._claims(token, key))
            self._remember(token, identity)
        return identity

    def _claims(self, token: str, key: Ed25519PublicKey) -> dict[str, Any]:
        """Checks everything but the times, which are compared with our own clock."""
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": list(REQUIRED_CLAIMS),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise _refused(type(error).__name__) from None

    def _identity(self, claims: dict[str, Any]) -> Identity:
        now = self._clock.now()
        expires_at = _moment(claims, "exp")
        if expires_at <= now:
            raise Unauthenticated("the token has expired", reason="TOKEN_EXPIRED")
        for claim in ("iat", "nbf"):
            if claim in claims and _moment(claims, claim) > now + _SKEW:
                raise _refused(f"{claim} lies in the future")
        return Identity(
            subject=_text(claims, "sub"),
            username=_text(claims, "username"),
            role=_role(claims),
            team=_text(claims, "team") if claims.get("team") else "",
            token_id=_text(claims, "jti"),
            expires_at=expires_at,
        )

    def _remember(self, token: str, identity: Identity) -> None:
        self._verified[token] = identity
        if len(self._verified) > self._cached_tokens:
            self._verified.popitem(last=False)

    def _forget(self) -> None:
        self._verified.clear()


class _KeySet:
    """The issuer's public keys by key id, fetched when needed."""

    def __init__(self, fetch: FetchJwks, clock: Clock, on_change: Callable[[], None]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._on_change = on_change
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._fetched_at: float | None = None
        self._reachable = True

    async def key(self, key_id: str) -> Ed25519PublicKey:
        """Returns one key; TOKEN_INVALID if the issuer does not have it, Unavailable if unknown."""
        known = self._keys.get(key_id)
        if known is None:
            await self._refresh()
            known = self._keys.get(key_id)
        elif self._age() > _KEYS_FRESH:
            self._start_fetch()
        if known is None:
            raise _refused("unknown key") if self._reachable else _away()
        return known

    async def _refresh(self) -> None:
        """Waits for one fetch that all callers share; a caller that gives up does not stop it."""
        if self._fetching is None and self._age() < _FETCH_INTERVAL:
            return
        await asyncio.shield(self._start_fetch())

    def _start_fetch(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            # An empty context: the fetch is nobody's call, so it must not carry anyone's token.
            self._fetching = asyncio.get_running_loop().create_task(
                self._replace(), context=contextvars.Context()
            )
        return self._fetching

    async def _replace(self) -> None:
        try:
            keys = _public_keys(await self._fetch())
        except Exception as error:
            _log.warning("the token keys could not be fetched: %s", error)
            self._reachable = False
        else:
            self._reachable = True
            if not self._keys.keys() <= keys.keys():
                self._on_change()
            self._keys = keys
        finally:
            self._fetched_at = self._clock.monotonic()
            self._fetching = None

    def _age(self) -> float:
        if self._fetched_at is None:
            return float("inf")
        return self._clock.monotonic() - self._fetched_at


def _key_id(token: str) -> str:
    """Returns the key id of a token whose header is exactly what our issuer writes."""
    if len(token) > _LONGEST_TOKEN:
        raise _refused("too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise _refused(type(error).__name__) from None
    if not header.keys() <= _HEADER_FIELDS:
        raise _refused("unexpected header fields")
    if header.get("alg") != ALGORITHM or header.get("typ") != TOKEN_TYPE:
        raise _refused("not an access token")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise _refused("no key id")
    return key_id


def _public_keys(jwks: Jwks) -> dict[str, Ed25519PublicKey]:
    """Reads the Ed25519 signature keys of a key set; keys of other sorts are passed over."""
    keys: dict[str, Ed25519PublicKey] = {}
    for entry in jwks["keys"]:
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and entry.get("kid"):
            key = jwt.PyJWK.from_dict(dict(entry), algorithm=ALGORITHM).key
            if isinstance(key, Ed25519PublicKey):
                keys[entry["kid"]] = key
    return keys


def _moment(claims: dict[str, Any], name: str) -> datetime:
    seconds = claims[name]
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise _refused(f"{name} is no time")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise _refused(f"{name} is no time") from None


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str) or not value:
        raise _refused(f"{name} is no text")
    return value


def _role(claims: dict[str, Any]) -> Role:
    try:
        return Role(claims["role"])
    except ValueError:
        raise _refused("unknown role") from None


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("the token is not valid", metadata={"detail": why})


def _away() -> Failure:
    return Unavailable(
        "the token's key is not known and its issuer does not answer",
        retry_after=timedelta(seconds=_FETCH_INTERVAL),
    )
