"""API keys as bearer tokens: `Authorization: Bearer gpuaas_...` is exchanged once and remembered.

Services take access tokens only. The exchange costs auth_service a look-up and a signature, so its
result serves for half of the token's time; the key itself is not kept, only a hash of it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TypeAlias

from servicekit.clock import Clock

PREFIX = "gpuaas_"
MOST_KEYS = 10_000

_BEARER_KEY = f"Bearer {PREFIX}".encode()

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]] | None
ExchangeKey: TypeAlias = Callable[[str, Metadata], Awaitable[tuple[str, timedelta]]]
"""Exchanges a key, with metadata about its sender, for a token and how long that is good."""


@dataclass(frozen=True, slots=True)
class _Known:
    token: str
    until: float


class ApiKeyTokens:
    """The tokens that stand for API keys; many requests with one key cause one exchange."""

    def __init__(self, exchange: ExchangeKey, clock: Clock, *, most: int = MOST_KEYS) -> None:
        self._exchange = exchange
        self._clock = clock
        self._most = most
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._pending: dict[bytes, asyncio.Task[str]] = {}

    async def token(self, key: str, metadata: Metadata = None) -> str:
        """Returns a token that is good for a while; what the exchange raises where it fails."""
        name = sha256(key.encode()).digest()
        known = self._known.get(name)
        if known is not None and known.until > self._clock.monotonic():
            self._known.move_to_end(name)
            return known.token
        return await asyncio.shield(self._exchanging(name, key, metadata))

    def forget(self, key: str) -> bool:
        """Drops a key's token, which a service refused; tells whether there was one."""
        return self._known.pop(sha256(key.encode()).digest(), None) is not None

    def _exchanging(self, name: bytes, key: str, metadata: Metadata) -> asyncio.Task[str]:
        task = self._pending.get(name)
        if task is None:
            # An empty context: whoever came first may leave, and the others still want the token.
            task = asyncio.get_running_loop().create_task(
                self._renew(name, key, metadata), context=contextvars.Context()
            )
            task.add_done_callback(_look_at)
            self._pending[name] = task
        return task

    async def _renew(self, name: bytes, key: str, metadata: Metadata) -> str:
        try:
            token, lifetime = await self._exchange(key, metadata)
        finally:
            del self._pending[name]
        until = self._clock.monotonic() + lifetime.total_seconds() / 2
        self._known[name] = _Known(token, until)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return token


def _look_at(task: asyncio.Task[str]) -> None:
    """Sees the exception of a task that everybody who waited for has left."""
    if not task.cancelled():
        task.exception()


def api_key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Returns the API key of an Authorization header, or None where it is something else."""
    authorization = headers.get(b"authorization")
    if authorization is None or not authorization.startswith(_BEARER_KEY):
        return None
    return authorization[len(b"Bearer ") :].decode("latin-1")
