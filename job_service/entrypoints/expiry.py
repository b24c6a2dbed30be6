"""The loop that ends requests about which nobody decides."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from job_service.application.commands.approving import ExpireRequests
from job_service.application.ports import Reader
from servicekit.clock import Clock
from servicekit.writer import Writer

AT_ONCE = 100


@dataclass(frozen=True)
class Expiry:
    """Fails jobs that waited for approval for longer than ``patience``."""

    writer: Writer[Any]
    reader: Reader
    clock: Clock
    patience: timedelta
    every: timedelta = timedelta(seconds=30)

    async def run(self) -> None:
        """Looks from time to time, in portions, so that nobody's change waits long behind them."""
        while True:
            before = self.clock.now() - self.patience
            while stale := await self.reader.undecided(before, AT_ONCE):
                await self.writer.execute(ExpireRequests(tuple(stale), before, self.clock.now()))
            await asyncio.sleep(self.every.total_seconds())
