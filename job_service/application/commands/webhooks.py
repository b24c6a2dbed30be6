"""Webhooks, and the books of what they were told.

An event is planned for a webhook exactly once, however often its planning is repeated: the cursor
of what was planned moves in the same transaction. It is delivered at least once.
"""

from datetime import datetime
from typing import ClassVar

from job_service.application.commands.acting import Caller
from job_service.application.ports import UnitOfWork
from job_service.domain.errors import DeliveryNotFound, WebhookLimitReached, WebhookNotFound
from job_service.domain.webhook import MOST_WAITING, Attempt, Delivery, Webhook
from servicekit.values import Value, replace

READER = "webhooks"


class CreateWebhook(Value, frozen=True):
    """Creates a webhook. The first of all lets planning begin at ``head``, where the log ends."""

    name: ClassVar[str] = "webhook.create"
    webhook: Webhook
    most: int
    head: int

    def run(self, unit: UnitOfWork) -> Webhook:
        """The webhook.

        Raises:
            WebhookLimitReached: its owner has ``most`` already.
        """
        if unit.webhooks.count(self.webhook.owner_id) >= self.most:
            raise WebhookLimitReached(self.most)
        if not unit.webhooks.count(""):
            unit.cursors.move(READER, str(max(self.head, planned(unit))))
        unit.webhooks.add(self.webhook)
        return self.webhook


class SealSecrets(Value, frozen=True):
    """Puts encrypted secrets in the place of readable ones; ``secrets`` are (id, encrypted)."""

    name: ClassVar[str] = "webhook.seal"
    secrets: tuple[tuple[str, str], ...]

    def run(self, unit: UnitOfWork) -> None:
        """Nothing; a webhook that was deleted, or sealed by a replica, is left alone."""
        for webhook_id, secret in self.secrets:
            webhook = unit.webhooks.find(webhook_id)
            if webhook is not None and not webhook.sealed:
                unit.webhooks.save(replace(webhook, secret=secret, sealed=True))


class DeleteWebhook(Value, frozen=True):
    """Deletes a webhook with all that it was still to be told."""

    name: ClassVar[str] = "webhook.delete"
    webhook_id: str
    caller: Caller

    def run(self, unit: UnitOfWork) -> None:
        """Nothing; raises WebhookNotFound."""
        own(unit.webhooks.find(self.webhook_id), self.webhook_id, self.caller)
        unit.webhooks.remove(self.webhook_id)


class PlanDeliveries(Value, frozen=True):
    """Notes what webhooks are to be told of the log's events up to a revision.

    What a replica planned already is left out.
    """

    name: ClassVar[str] = "webhook.plan"
    deliveries: tuple[Delivery, ...]
    reached: int

    def run(self, unit: UnitOfWork) -> int:
        """How many deliveries are new."""
        before = planned(unit)
        if self.reached <= before:
            return 0
        new = [it for it in self.deliveries if it.revision > before]
        for delivery in new:
            self._plan(unit, delivery)
        unit.cursors.move(READER, str(self.reached))
        return len(new)

    def _plan(self, unit: UnitOfWork, delivery: Delivery) -> None:
        webhook = unit.webhooks.find(delivery.webhook_id)
        if webhook is None:
            return
        if webhook.waiting >= MOST_WAITING:
            error = f"{MOST_WAITING:,} deliveries wait already"
            unit.deliveries.add(
                replace(delivery, due_at=None, last_error=error, last_at=delivery.created_at)
            )
            return
        unit.deliveries.add(delivery)
        unit.webhooks.save(replace(webhook, waiting=webhook.waiting + 1))


class ClaimDeliveries(Value, frozen=True):
    """Takes deliveries that are due until ``until``; whoever dies with them leaves them due then.

    Webhooks that are ``busy`` are left out, and of one at most ``each`` are taken.
    """

    name: ClassVar[str] = "webhook.claim"
    busy: frozenset[str]
    each: int
    limit: int
    now: datetime
    until: datetime

    def run(self, unit: UnitOfWork) -> list[tuple[Webhook, Delivery]]:
        """The deliveries, each with its webhook."""
        claimed = []
        for delivery in unit.deliveries.due(self.now, self.busy, self.each, self.limit):
            webhook = unit.webhooks.find(delivery.webhook_id)
            if webhook is not None:
                unit.deliveries.save(replace(delivery, due_at=self.until))
                claimed.append((webhook, delivery))
        return claimed


class RecordAttempts(Value, frozen=True):
    """Notes what became of attempts to deliver."""

    name: ClassVar[str] = "webhook.record"
    attempts: tuple[Attempt, ...]

    def run(self, unit: UnitOfWork) -> None:
        """Nothing; what was delivered is forgotten but for its webhook's figures."""
        unit.deliveries.load([attempt.delivery_id for attempt in self.attempts])
        delivered = [it.delivery_id for it in self.attempts if self._record(unit, it)]
        if delivered:
            unit.deliveries.remove(delivered)

    def _record(self, unit: UnitOfWork, attempt: Attempt) -> bool:
        """Whether the delivery was made."""
        delivery = unit.deliveries.find(attempt.delivery_id)
        webhook = unit.webhooks.find(delivery.webhook_id) if delivery else None
        if delivery is None or webhook is None or delivery.due_at is None:
            return False
        if not attempt.error:
            unit.webhooks.save(
                replace(
                    webhook, waiting=webhook.waiting - 1, last_success_at=attempt.at, failures=0
                )
            )
            return True
        delivery = delivery.failed(attempt)
        unit.deliveries.save(delivery)
        waiting = webhook.waiting - (delivery.due_at is None)
        unit.webhooks.save(replace(webhook, waiting=waiting, failures=webhook.failures + 1))
        return False


class RedeliverDeadLetter(Value, frozen=True):
    """Makes a dead letter due now; one that is due already stays so."""

    name: ClassVar[str] = "webhook.redeliver"
    webhook_id: str
    delivery_id: str
    caller: Caller
    now: datetime

    def run(self, unit: UnitOfWork) -> None:
        """Nothing; raises WebhookNotFound or DeliveryNotFound."""
        webhook = own(unit.webhooks.find(self.webhook_id), self.webhook_id, self.caller)
        delivery = unit.deliveries.find(self.delivery_id)
        if delivery is None or delivery.webhook_id != self.webhook_id:
            raise DeliveryNotFound(self.delivery_id)
        if delivery.due_at is None:
            unit.deliveries.save(replace(delivery, due_at=self.now))
            unit.webhooks.save(replace(webhook, waiting=webhook.waiting + 1))


def own(webhook: Webhook | None, webhook_id: str, caller: Caller) -> Webhook:
    """The webhook as far as the caller may know of it; raises WebhookNotFound."""
    if webhook is None or not (caller.is_admin or webhook.owner_id == caller.id):
        raise WebhookNotFound(webhook_id)
    return webhook


def planned(unit: UnitOfWork) -> int:
    """Up to which revision of the log deliveries have been planned."""
    return int(unit.cursors.get(READER) or 0)
