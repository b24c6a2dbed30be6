"""What the service does by itself: taking up new signing keys, and forgetting what is over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from auth_service.application.commands.signing_keys import RetireSigningKeys
from auth_service.application.commands.upkeep import AT_ONCE, ForgetExpired, TrimEvents
from auth_service.application.ports import Changes, Command
from auth_service.domain.events import SigningKeyAdded
from auth_service.domain.signing_keys import KEPT
from servicekit.clock import Clock
from servicekit.eventlog import EventLog

UPKEEP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class KeyNews:
    """Has `reload` called whenever somebody has added a signing key."""

    log: EventLog
    reload: Callable[[], Awaitable[None]]

    async def run(self) -> None:
        """Watches until the log fails."""
        after = self.log.head
        await self.reload()
        async for batch in self.log.follow(after):
            if any(event.kind == SigningKeyAdded.kind for event in batch):
                await self.reload()


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Keeps tables from growing without end."""

    changes: Changes
    clock: Clock

    async def run(self) -> None:
        """Works in portions, so that nobody's change waits long behind them."""
        while True:
            await self.once()
            await asyncio.sleep(UPKEEP.total_seconds())

    async def once(self) -> None:
        """Forgets all that is over now."""
        now = self.clock.now()
        commands: tuple[Command[int], ...] = (ForgetExpired(now), TrimEvents(now))
        for command in commands:
            while await self.changes.execute(command) >= AT_ONCE:
                pass
        await self.changes.execute(RetireSigningKeys(KEPT, now))
