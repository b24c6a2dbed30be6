"""Taking turns: how many attempts for one account are under way at a time.

Attempts are counted before they are known to fail, so that many right ones at once would look like
guessing. The few that may be under way here stay below the number of failures that is free.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from servicekit.errors import ResourceExhausted

AT_ONCE = 2
WAITING = 128


class Turns:
    """Lets AT_ONCE holders of one key go on at a time; at most WAITING wait, whatever the key."""

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}
        self._waiting = 0

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Waits for a turn of this key, and has it until exit.

        Raises:
            ResourceExhausted: OVERLOADED, too many wait.
        """
        gate = self._gates.setdefault(key, asyncio.Semaphore(AT_ONCE))
        self._users[key] = self._users.get(key, 0) + 1
        try:
            await self._wait(gate)
            try:
                yield
            finally:
                gate.release()
        finally:
            self._leave(key)

    async def _wait(self, gate: asyncio.Semaphore) -> None:
        if gate.locked() and self._waiting >= WAITING:
            raise ResourceExhausted("too many logins wait", retry_after=timedelta(seconds=2))
        self._waiting += 1
        try:
            await gate.acquire()
        finally:
            self._waiting -= 1

    def _leave(self, key: str) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key], self._gates[key]
