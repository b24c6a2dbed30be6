"""The issuer's public keys: fetched when one is unknown, once for all who wait, and not too often.

Someone who sends made-up key ids causes one fetch in five seconds and no more.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from servicekit.clock import Clock
from servicekit.errors import Unauthenticated, Unavailable

Jwks: TypeAlias = Mapping[str, Any]
FetchJwks: TypeAlias = Callable[[], Awaitable[Jwks]]

ALGORITHM = "EdDSA"

_log = logging.getLogger(__name__)
_FETCH_INTERVAL = 5.0
_KEYS_FRESH = 300.0
_KEYS_STALE = 900.0
"""Keys of this age are not believed before they were asked for again: one may be withdrawn."""


class KeySet:
    """The issuer's public keys by key id; `on_change` is told when one was withdrawn."""

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
        known, age = self._keys.get(key_id), self._age()
        if known is None or age > _KEYS_STALE:
            await self._refresh()
            known = self._keys.get(key_id)
        elif age > _KEYS_FRESH:
            self._start_fetch()
        if known is None:
            raise _unknown() if self._reachable else _away()
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


def _public_keys(jwks: Jwks) -> dict[str, Ed25519PublicKey]:
    """Reads the Ed25519 signature keys of a key set; keys of other sorts are passed over."""
    keys: dict[str, Ed25519PublicKey] = {}
    for entry in jwks["keys"]:
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and entry.get("kid"):
            key = jwt.PyJWK.from_dict(dict(entry), algorithm=ALGORITHM).key
            if isinstance(key, Ed25519PublicKey):
                keys[entry["kid"]] = key
    return keys


def _unknown() -> Unauthenticated:
    return Unauthenticated("the token is not valid", metadata={"detail": "unknown key"})


def _away() -> Unavailable:
    return Unavailable(
        "the token's key is not known and its issuer does not answer",
        retry_after=timedelta(seconds=_FETCH_INTERVAL),
    )
