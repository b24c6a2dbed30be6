"""The loops that tell webhooks of changes: what is to be told is planned first, then delivered.

Neither holds up the log: planning is one more reader of it, and delivering reads what was planned.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import MessageToJson

from gpuaas.job.v1.job_event_pb2 import JobEvent as EventMessage
from job_service.application.commands.webhooks import (
    READER,
    ClaimDeliveries,
    PlanDeliveries,
    RecordAttempts,
)
from job_service.application.ports import Reader, Secrets, SecretUnreadable, Sender
from job_service.application.webhooks import all_webhooks
from job_service.domain.job import JobEvent
from job_service.domain.webhook import Attempt, Delivery, Webhook, delivery_id, signature
from job_service.entrypoints.events import EventDecoder
from servicekit.clock import Clock
from servicekit.eventlog import EventLog
from servicekit.logs import logger
from servicekit.transaction import RecordedEvent
from servicekit.writer import Writer

GLANCE = timedelta(seconds=1)
NOTED_EVERY = 1_000
"""After how many revisions without anything to tell the cursor moves all the same."""
AT_ONCE, AT_ONCE_EACH = 64, 4
LEASE = timedelta(seconds=60)
"""How long a delivery that was taken stays away if nobody says what became of it."""
JSON_TYPE = "application/json"

_log = logger(__name__)


@dataclass(frozen=True)
class Planner:
    """Notes which webhooks are to be told of which events, each exactly once."""

    log: EventLog
    writer: Writer[Any]
    reader: Reader
    decode: EventDecoder
    write: Callable[[EventMessage, JobEvent, int], None]
    clock: Clock

    async def run(self) -> None:
        """Follows the log as long as there are webhooks; without any, looks for the first one."""
        while True:
            if await self.reader.webhooks("", None, 1):
                await self._follow(int(await self.reader.position(READER) or 0))
            await asyncio.sleep(GLANCE.total_seconds())

    async def _follow(self, after: int) -> None:
        noted = after
        async for batch in self.log.follow(after, bookmark=GLANCE):
            # Read after the batch: a webhook is told of everything since it was created.
            webhooks = [it async for found in all_webhooks(self.reader) for it in found]
            if not webhooks:
                return
            after = batch[-1].revision if batch else after
            deliveries = tuple(it for event in batch for it in self._deliveries(event, webhooks))
            if deliveries or after - noted >= NOTED_EVERY:
                await self.writer.execute(PlanDeliveries(deliveries, after))
                noted = after

    def _deliveries(self, recorded: RecordedEvent, webhooks: list[Webhook]) -> list[Delivery]:
        event = self.decode(recorded)
        told = [webhook for webhook in webhooks if webhook.wants(event)]
        if not told:
            return []
        message = EventMessage()
        self.write(message, event, recorded.revision)
        body = MessageToJson(message, preserving_proto_field_name=True, indent=None).encode()
        now, revision = self.clock.now(), recorded.revision
        return [
            Delivery(delivery_id(it.id, revision), it.id, revision, message.id, body, now, now)
            for it in told
        ]


@dataclass
class Deliverer:
    """Makes deliveries that are due, a bounded number at once and few of one webhook."""

    writer: Writer[Any]
    reader: Reader
    sender: Sender
    secrets: Secrets
    clock: Clock
    chance: Callable[[], float]
    under_way: dict[asyncio.Task[Attempt], str] = field(default_factory=dict)

    async def run(self) -> None:
        """Takes, sends and records for ever; what was under way when it fails is due again."""
        try:
            while True:
                await self._take()
                await self._wait()
                await self._record()
        finally:
            tasks, self.under_way = list(self.under_way), {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self) -> None:
        now, free = self.clock.now(), AT_ONCE - len(self.under_way)
        due_at = await self.reader.next_delivery_at() if free else None
        if due_at is None or due_at > now:
            return
        busy = frozenset(self.under_way.values())
        claim = ClaimDeliveries(busy, AT_ONCE_EACH, free, now, now + LEASE)
        for webhook, delivery in await self.writer.execute(claim):
            task = asyncio.create_task(self._attempt(webhook, delivery))
            self.under_way[task] = webhook.id

    async def _wait(self) -> None:
        """Until one is done, or it is time to look for others."""
        if self.under_way:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self.under_way, timeout=GLANCE.total_seconds(), return_when=first)
        else:
            await self._until_due()

    async def _until_due(self) -> None:
        due_at = await self.reader.next_delivery_at()
        left = (due_at - self.clock.now()) if due_at else GLANCE
        await asyncio.sleep(min(max(left, timedelta(milliseconds=20)), GLANCE).total_seconds())

    async def _record(self) -> None:
        done = [task for task in self.under_way if task.done()]
        if done:
            await self.writer.execute(RecordAttempts(tuple(task.result() for task in done)))
            for task in done:
                del self.under_way[task]

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        try:
            secret = self.secrets.secret(webhook)
            headers = _headers(secret, delivery, int(self.clock.now().timestamp()))
            status, error = await self.sender.post(webhook.url, headers, delivery.body)
        except SecretUnreadable:
            # Tried again like any other: the right key may come back within a day.
            status, error = 0, "the platform cannot read the webhook's secret"
        except Exception as defect:
            # One that nothing can be done about must not hold up the others.
            _log.error("a delivery failed by a defect", delivery=delivery.id, exc_info=defect)
            status, error = 0, "the platform failed to make the call"
        jitter = 0.5 + self.chance() / 2
        return Attempt(delivery.id, status, error, self.clock.now(), jitter)


def _headers(secret: str, delivery: Delivery, timestamp: int) -> dict[str, str]:
    return {
        "Content-Type": JSON_TYPE,
        "Webhook-Id": delivery.event_id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signature(secret, delivery.event_id, timestamp, delivery.body),
    }
