"""A token by which a service speaks in its own name: got when needed, renewed in time."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from servicekit.clock import Clock
from servicekit.errors import Failure, Unavailable

LogIn: TypeAlias = Callable[[], Awaitable[tuple[str, timedelta]]]
"""Signs in, and returns a token and how long it is good."""

INTERVAL = timedelta(seconds=1)


class OwnToken:
    """Gives the token; it is renewed when half of its time is over, or after it was refused.

    Signing in is tried once in an `interval` at most: a wrong password must not become a load on
    whoever checks passwords.
    """

    def __init__(self, log_in: LogIn, clock: Clock, interval: timedelta = INTERVAL) -> None:
        self._log_in = log_in
        self._clock = clock
        self._interval = interval.total_seconds()
        self._token = ""
        self._why = ""
        self._renew_at = self._tried_at = float("-inf")
        self._renewing: asyncio.Task[None] | None = None

    async def __call__(self) -> str:
        """Returns a token that is good for a while; Unavailable where signing in fails."""
        now = self._clock.monotonic()
        if now >= self._renew_at and now - self._tried_at >= self._interval:
            await asyncio.shield(self._start_renewal())
        if not self._token:
            raise Unavailable(f"this service cannot sign in: {self._why}")
        return self._token

    def refused(self) -> None:
        """Says that a service refused the token: its session was ended, so sign in again."""
        self._renew_at = float("-inf")

    def _start_renewal(self) -> "asyncio.Task[None]":
        if self._renewing is None:
            # An empty context: signing in is nobody's call, it has no deadline or token of one.
            self._renewing = asyncio.get_running_loop().create_task(
                self._renew(), context=contextvars.Context()
            )
        return self._renewing

    async def _renew(self) -> None:
        try:
            self._token, lifetime = await self._log_in()
            self._renew_at = self._clock.monotonic() + lifetime.total_seconds() / 2
        except Failure as failure:
            # The token until now may be good for a while yet; whoever has none is told why.
            self._why = failure.message
        finally:
            self._tried_at = self._clock.monotonic()
            self._renewing = None
