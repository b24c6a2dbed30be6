"""Kills each process in turn while jobs are submitted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from local.layout import Name
from local.supervisor import System

ORDER: tuple[Name, ...] = ("job_service", "gateway", "scheduler_service", "auth_service")


class Faults:
    """Ends a process by SIGKILL whenever a further share of the jobs was acknowledged.

    The kill comes in the same instant as the acknowledgement that triggers it: what was answered
    but is not on disk yet has no time to get there.
    """

    def __init__(self, system: System, jobs: int, order: Sequence[Name]) -> None:
        """Spreads the kills evenly over `jobs` acknowledgements."""
        self.killed: list[Name] = []
        self._system = system
        self._due = {(place + 1) * jobs // (len(order) + 1): n for place, n in enumerate(order)}
        self._repair: asyncio.Task[None] | None = None

    async def acknowledged(self, count: int) -> None:
        """Hears that `count` jobs are acknowledged by now."""
        name = self._due.pop(count, None)
        if name is None:
            return
        await self.repaired()
        self._system.kill(name)
        self.killed.append(name)
        self._repair = asyncio.create_task(asyncio.to_thread(self._system.restart, name))

    async def repaired(self) -> None:
        """Waits until everything runs again."""
        if self._repair is not None:
            await self._repair
