"""Verification of access tokens against the issuer's public keys, without asking it each time.

A token is verified once and then remembered until it expires or is revoked, so that the signature
(about 200 us) is not checked on every call, and neither is anything else.
"""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from servicekit.clock import Clock, SystemClock
from servicekit.errors import Unauthenticated
from servicekit.identity.callers import Identity, Role
from servicekit.identity.keys import ALGORITHM, FetchJwks, KeySet
from servicekit.identity.revocation import Revocations, Subjects

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, no secret
AUDIENCE = "gpuaas"
REQUIRED_CLAIMS = ("exp", "iat", "iss", "aud", "sub", "jti", "username", "role")

_HEADER_FIELDS = {"alg", "typ", "kid"}
_LONGEST_TOKEN = 4096
_CACHED_TOKENS = 10_000
_SKEW = timedelta(seconds=5)


class Verifier:
    """Verifies access tokens of one issuer for one audience.

    `fetch_jwks` returns the issuer's key set (`{"keys": [...]}`); whatever it raises counts as
    the issuer being away. `revocations` are followed by somebody else; without them a token is
    good until it expires.
    """

    def __init__(
        self,
        fetch_jwks: FetchJwks,
        issuer: str,
        audience: str = AUDIENCE,
        clock: Clock | None = None,
        *,
        revocations: Revocations | None = None,
        cached_tokens: int = _CACHED_TOKENS,
    ) -> None:
        self._keys = KeySet(fetch_jwks, clock or SystemClock(), self._forget)
        self.revocations = revocations
        if revocations is not None:
            revocations.subscribe(self._forget_revoked)
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
            Unauthenticated: TOKEN_EXPIRED, TOKEN_REVOKED, or TOKEN_INVALID for whatever else is
                wrong with it.
            Unavailable: its key is unknown here and the issuer does not answer, or it is not
                known which tokens were revoked.
        """
        identity = self.cached(token)
        if identity is None:
            key_id = _key_id(token)
            key = await self._keys.key(key_id)
            identity = self._identity(self._claims(token, key), key_id)
            await self._check_revocation(identity)
            self._remember(token, identity)
        return identity

    async def _check_revocation(self, identity: Identity) -> None:
        if self.revocations is None:
            return
        await self.revocations.opened()
        # Nothing is awaited from here until the token is remembered: no revocation slips between.
        refusal = self.revocations.refusal(identity)
        if refusal is not None:
            raise refusal

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

    def _identity(self, claims: dict[str, Any], key_id: str) -> Identity:
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
            session_id=_text(claims, "sid") if claims.get("sid") else "",
            generation=_count(claims, "gen"),
            issued_at=_moment(claims, "iat"),
            password_change_required=_flag(claims, "password_change_required"),
            key_id=key_id,
        )

    def _remember(self, token: str, identity: Identity) -> None:
        self._verified[token] = identity
        if len(self._verified) > self._cached_tokens:
            self._verified.popitem(last=False)

    def _forget(self) -> None:
        self._verified.clear()

    def _forget_revoked(self, subjects: Subjects) -> None:
        """Drops the tokens of these users; those that are still good are verified again."""
        if subjects is None:
            self._forget()
            return
        dropped = [token for token, it in self._verified.items() if it.subject in subjects]
        for token in dropped:
            del self._verified[token]


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


def _moment(claims: dict[str, Any], name: str) -> datetime:
    """Reads a NumericDate of RFC 7519, which may have a fraction."""
    seconds = claims[name]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
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


def _count(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refused(f"{name} is no count")
    return value


def _flag(claims: dict[str, Any], name: str) -> bool:
    value = claims.get(name, False)
    if not isinstance(value, bool):
        raise _refused(f"{name} is neither true nor false")
    return value


def _role(claims: dict[str, Any]) -> Role:
    try:
        return Role(claims["role"])
    except ValueError:
        raise _refused("unknown role") from None


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("the token is not valid", metadata={"detail": why})
