"""What every start does for secrets of webhooks that were stored before there was a key."""

from typing import Any

from job_service.application.commands.webhooks import SealSecrets
from job_service.application.ports import Reader, Secrets, SecretUnreadable
from job_service.application.webhooks import all_webhooks
from job_service.domain.webhook import Webhook
from servicekit.logs import logger
from servicekit.writer import Writer

_log = logger(__name__)


async def seal_secrets(writer: Writer[Any], reader: Reader, secrets: Secrets) -> None:
    """Encrypts what is readable, and says how many secrets cannot be read with this key.

    Such a webhook is told nothing until the right key is back, or until it is made anew. That is
    no reason not to serve: nothing but its deliveries hangs on it.
    """
    unreadable = 0
    async for found in all_webhooks(reader):
        sealed = [secrets.sealed(it) for it in found if not it.sealed]
        changed = tuple((it.id, it.secret) for it in sealed if it.sealed)
        if changed:
            await writer.execute(SealSecrets(changed))
        unreadable += sum(not _readable(it, secrets) for it in found)
    if unreadable:
        _log.error(
            "webhook secrets are unreadable: give the right GPUAAS_JOB_KEY_ENCRYPTION_KEY(_FILE)",
            webhooks=unreadable,
        )


def _readable(webhook: Webhook, secrets: Secrets) -> bool:
    try:
        secrets.secret(webhook)
    except SecretUnreadable:
        return False
    return True
