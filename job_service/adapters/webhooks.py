"""Webhooks and their deliveries as rows, written and read."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from job_service.adapters.tables import DELIVERIES, WEBHOOKS
from job_service.domain.webhook import Delivery, Webhook
from servicekit.clock import from_micros, to_micros
from servicekit.database import Database
from servicekit.statements import Row
from servicekit.transaction import Transaction

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Webhook)
_TIMES = ("created_at", "due_at", "last_at")


class SqlWebhooks:
    """Webhooks by id."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def find(self, webhook_id: str) -> Webhook | None:
        """The webhook, or None."""
        row = self._transaction.get(WEBHOOKS, webhook_id)
        return _decoder.decode(row["document"]) if row else None

    def count(self, owner_id: str) -> int:
        """How many webhooks a user has, or how many there are."""
        statement = sa.select(sa.func.count().label("count")).select_from(WEBHOOKS)
        if owner_id:
            statement = statement.where(WEBHOOKS.c.owner_id == owner_id)
        [row] = self._transaction.select(statement)
        return int(row["count"])

    def add(self, webhook: Webhook) -> None:
        """Stores a new webhook."""
        self._transaction.insert(WEBHOOKS, _webhook_row(webhook))

    def save(self, webhook: Webhook) -> None:
        """Stores a changed webhook."""
        self._transaction.update(WEBHOOKS, _webhook_row(webhook))

    def remove(self, webhook_id: str) -> None:
        """Deletes a webhook with its deliveries."""
        of_webhook = DELIVERIES.c.webhook_id == webhook_id
        self._transaction.execute(DELIVERIES.delete().where(of_webhook))
        self._transaction.execute(WEBHOOKS.delete().where(WEBHOOKS.c.id == webhook_id))


class SqlDeliveries:
    """Deliveries by id."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self, delivery_ids: Iterable[str]) -> None:
        """Reads many deliveries at once."""
        self._transaction.load(DELIVERIES, delivery_ids)

    def find(self, delivery_id: str) -> Delivery | None:
        """The delivery, or None."""
        row = self._transaction.get(DELIVERIES, delivery_id)
        return _delivery(row) if row else None

    def add(self, delivery: Delivery) -> None:
        """Stores a new delivery."""
        self._transaction.insert(DELIVERIES, _delivery_row(delivery))

    def save(self, delivery: Delivery) -> None:
        """Stores a changed delivery."""
        self._transaction.update(DELIVERIES, _delivery_row(delivery))

    def remove(self, delivery_ids: Iterable[str]) -> None:
        """Deletes deliveries that were made."""
        made = DELIVERIES.c.id.in_(list(delivery_ids))
        self._transaction.execute(DELIVERIES.delete().where(made))

    def forget(self, before: datetime, most: int) -> int:
        """Deletes dead letters and counts them."""
        columns = DELIVERIES.c
        old = sa.select(columns.id).where(columns.due_at.is_(None))
        old = old.where(columns.last_at < to_micros(before)).limit(most)
        return self._transaction.execute(DELIVERIES.delete().where(columns.id.in_(old)))

    def due(self, now: datetime, busy: Iterable[str], each: int, limit: int) -> list[Delivery]:
        """Deliveries that are due, fairly of all webhooks that are not busy."""
        columns = DELIVERIES.c
        turn = sa.func.row_number().over(
            partition_by=columns.webhook_id, order_by=(columns.due_at, columns.revision)
        )
        waiting = (
            sa.select(columns.id, columns.due_at, turn.label("turn"))
            .where(columns.due_at <= to_micros(now), columns.webhook_id.not_in(list(busy)))
            .subquery()
        )
        statement = (
            sa.select(waiting.c.id)
            .where(waiting.c.turn <= each)
            .order_by(waiting.c.turn, waiting.c.due_at, waiting.c.id)
            .limit(limit)
        )
        ids = [row["id"] for row in self._transaction.select(statement)]
        self.load(ids)
        return [delivery for it in ids if (delivery := self.find(it))]


class WebhookReads:
    """Queries of webhooks on reading connections; part of the service's reader."""

    _database: Database

    async def webhook(self, webhook_id: str) -> Webhook | None:
        """The webhook, or None."""
        statement = sa.select(WEBHOOKS.c.document).where(WEBHOOKS.c.id == webhook_id)
        document = await self._database.read(lambda c: c.execute(statement).scalar())
        return None if document is None else _decoder.decode(document)

    async def webhooks(
        self, owner_id: str, after: tuple[int, str] | None, limit: int
    ) -> list[Webhook]:
        """A page of webhooks, newest first."""
        columns = WEBHOOKS.c
        statement = sa.select(columns.document).limit(limit)
        statement = statement.order_by(columns.created_at.desc(), columns.id.desc())
        if owner_id:
            statement = statement.where(columns.owner_id == owner_id)
        if after is not None:
            key = sa.tuple_(columns.created_at, columns.id)
            statement = statement.where(key < sa.tuple_(*after))
        documents = await self._database.read(lambda c: c.execute(statement).scalars().all())
        return [_decoder.decode(document) for document in documents]

    async def dead_letters(self, webhook_id: str, after: int | None, limit: int) -> list[Delivery]:
        """A page of a webhook's dead letters, newest first."""
        columns = DELIVERIES.c
        statement = (
            DELIVERIES.select()
            .where(columns.webhook_id == webhook_id, columns.due_at.is_(None))
            .order_by(columns.revision.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(columns.revision < after)
        rows = await self._database.read(lambda c: c.execute(statement).mappings().all())
        return [_delivery(row) for row in rows]

    async def next_delivery_at(self) -> datetime | None:
        """When the next delivery is due."""
        statement = sa.select(sa.func.min(DELIVERIES.c.due_at))
        due_at = await self._database.read(lambda c: c.execute(statement).scalar())
        return None if due_at is None else from_micros(due_at)


def _webhook_row(webhook: Webhook) -> Row:
    return {
        "id": webhook.id,
        "owner_id": webhook.owner_id,
        "created_at": to_micros(webhook.created_at),
        "document": _encoder.encode(webhook),
    }


def _delivery_row(delivery: Delivery) -> Row:
    row = {name: getattr(delivery, name) for name in Delivery.__struct_fields__}
    times = {name: to_micros(row[name]) if row[name] else None for name in _TIMES}
    return row | times


def _delivery(row: Any) -> Delivery:
    times = {name: from_micros(row[name]) if row[name] is not None else None for name in _TIMES}
    fields = {name: row[name] for name in Delivery.__struct_fields__}
    return Delivery(**fields | times | {"body": bytes(row["body"])})
