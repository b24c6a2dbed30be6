"""A token by which a service speaks in its own name: got when needed, renewed in time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from servicekit.clock import Clock

LogIn: TypeAlias = Callable[[], Awaitable[tuple[str, timedelta]]]
"""Signs in, and returns a token and how long it is good."""


class OwnToken:
    """Gives the token; it is renewed when half of its time is over, or after it was refused."""

    def __init__(self, log_in: LogIn, clock: Clock) -> None:
        self._log_in = log_in
        self._clock = clock
        self._token = ""
        self._renew_at = clock.now()
        self._renewing = asyncio.Lock()

    async def __call__(self) -> str:
        """Returns a token that is good for a while; Failure where signing in fails."""
        if self._clock.now() >= self._renew_at:
            async with self._renewing:
                # Whoever waited for the lock finds a token that somebody else has just got.
                if self._clock.now() >= self._renew_at:
                    self._token, lifetime = await self._log_in()
                    self._renew_at = self._clock.now() + lifetime / 2
        return self._token

    def refused(self) -> None:
        """Says that a service refused the token: its session was ended, so sign in again."""
        self._renew_at = self._clock.now()
