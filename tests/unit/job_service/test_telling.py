"""Deliveries to webhooks, and what goes wrong with them, over stores in memory."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from job_service.application import webhooks
from job_service.application.commands.webhooks import PlanDeliveries, RecordAttempts
from job_service.entrypoints.sealing import seal_secrets
from job_service.entrypoints.telling import Deliverer
from servicekit import logs
from servicekit.clock import ManualClock
from tests.fakes.job_service import FakeStore
from tests.fakes.jobs import NOW, later
from tests.fakes.webhooks import HOOK, OTHER, FakeSecrets, create_command, delivery

BROKEN = "https://broken.example/jobs"


@dataclass
class Recording(FakeStore):
    """A store that knows when so many attempts have been recorded."""

    expected: int = 2
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def execute(self, command: Any) -> Any:
        """Runs a command."""
        answer = self.run(command)
        if isinstance(command, RecordAttempts):
            self.expected -= len(command.attempts)
            if not self.expected:
                self.recorded.set()
        return answer


@dataclass
class Sender:
    """Fails by a defect at one address, and keeps what is sent to others."""

    sent: list[str] = field(default_factory=list)

    async def check(self, url: str) -> None:
        """Allows every address."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Posts."""
        if url == BROKEN:
            raise RuntimeError("nobody thought of this")
        self.sent.append(url)
        return 204, ""


async def test_a_defect_with_one_delivery_holds_up_no_other() -> None:
    """It counts as an attempt that failed."""
    logs.configure("job_service", "critical")
    store, sender = Recording(), Sender()
    store.run(create_command(HOOK, url=BROKEN))
    store.run(create_command(OTHER, owner_id="u2"))
    planned = (delivery(1, HOOK), delivery(1, OTHER))
    store.run(PlanDeliveries(planned, 1))
    deliverer = Deliverer(store, store, sender, FakeSecrets(), ManualClock(NOW), lambda: 0.5)  # type: ignore[arg-type]
    task = asyncio.create_task(deliverer.run())
    async with asyncio.timeout(20):
        await store.recorded.wait()
    task.cancel()
    failed = store.unit.deliveries.by_id[planned[0].id]
    assert (1, "the platform failed to make the call") == (failed.attempts, failed.last_error)
    assert planned[1].id not in store.unit.deliveries.by_id


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_all_webhooks_are_read_however_many(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In portions; each once, and all of them are sealed."""
    monkeypatch.setattr(webhooks, "AT_ONCE", 2)
    store, ids = FakeStore(), [f"00000000-0000-7000-8000-00000000000{it}" for it in range(count)]
    for place, webhook_id in enumerate(ids):
        store.run(create_command(webhook_id, owner_id=webhook_id, created_at=later(place // 2)))
    found = [it.id async for part in webhooks.all_webhooks(store) for it in part]
    assert ids == sorted(found)
    await seal_secrets(store, store, FakeSecrets("k"))  # type: ignore[arg-type]
    assert all(it.sealed for it in store.unit.webhooks.by_id.values())
    assert {"k:whsec_x"} >= {it.secret for it in store.unit.webhooks.by_id.values()}
