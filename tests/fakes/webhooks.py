"""Webhooks as tests need them: Ada's, about every change of her jobs, but for what a test says."""

from dataclasses import dataclass
from typing import Any

from job_service.application.commands.webhooks import CreateWebhook
from job_service.application.ports import SecretUnreadable
from job_service.domain.webhook import Delivery, Webhook, delivery_id
from servicekit.values import replace
from tests.fakes.jobs import NOW

HOOK = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"


def webhook(webhook_id: str = HOOK, **fields: Any) -> Webhook:
    """A webhook."""
    usual: dict[str, Any] = {
        "owner_id": "u1",
        "url": "https://hooks.example/jobs",
        "secret": "whsec_x",
        "created_at": NOW,
    }
    return Webhook(webhook_id, **usual | fields)


def create_command(webhook_id: str = HOOK, head: int = 0, **fields: Any) -> CreateWebhook:
    """Creates a webhook, of at most two."""
    return CreateWebhook(webhook(webhook_id, **fields), 2, head)


def delivery(revision: int = 1, webhook_id: str = HOOK, **fields: Any) -> Delivery:
    """The delivery of an event of the log."""
    usual: dict[str, Any] = {
        "event_id": f"event {revision}",
        "body": b'{"id": "\xc3\xbc"}',
        "created_at": NOW,
        "due_at": NOW,
    }
    return Delivery(delivery_id(webhook_id, revision), webhook_id, revision, **usual | fields)


@dataclass(frozen=True)
class FakeSecrets:
    """Seals by writing the key before the secret; without a key leaves it readable."""

    key: str = ""

    def sealed(self, webhook: Webhook) -> Webhook:
        if webhook.sealed or not self.key:
            return webhook
        return replace(webhook, secret=f"{self.key}:{webhook.secret}", sealed=True)

    def secret(self, webhook: Webhook) -> str:
        if not webhook.sealed:
            return webhook.secret
        key, _, secret = webhook.secret.partition(":")
        if not self.key or key != self.key:
            raise SecretUnreadable(webhook.id)
        return secret
