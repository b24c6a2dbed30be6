"""Encryption of webhooks' secrets at rest, under a key from the configuration."""

import base64
from dataclasses import dataclass, field

from job_service.application.ports import SecretUnreadable
from job_service.domain.webhook import Webhook
from servicekit.sealing import Seal, Unreadable
from servicekit.values import replace


@dataclass(frozen=True, slots=True)
class SecretChest:
    """Seals and opens secrets; without a key of its own it leaves them readable."""

    key: bytes = field(default=b"", repr=False)

    def sealed(self, webhook: Webhook) -> Webhook:
        """The webhook with its secret encrypted, bound to the webhook's id."""
        if webhook.sealed or not self.key:
            return webhook
        sealed = Seal(self.key).seal(webhook.secret.encode(), webhook.id)
        return replace(webhook, secret=base64.b64encode(sealed).decode(), sealed=True)

    def secret(self, webhook: Webhook) -> str:
        """What deliveries are signed with.

        Raises:
            SecretUnreadable: it is encrypted under another key.
        """
        if not webhook.sealed:
            return webhook.secret
        try:
            return Seal(self.key).open(base64.b64decode(webhook.secret), webhook.id).decode()
        except Unreadable as unreadable:
            raise SecretUnreadable(str(unreadable)) from None
