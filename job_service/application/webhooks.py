"""What is only read of webhooks, as far as the caller may see them."""

from collections.abc import AsyncIterator
from typing import Any

from job_service.application.commands.acting import Caller
from job_service.application.commands.webhooks import own
from job_service.application.pages import Page, page_of
from job_service.application.ports import Reader
from job_service.domain.webhook import Delivery, Webhook
from servicekit.clock import to_micros
from servicekit.tokens import decode_page_token

AT_ONCE = 1_000


async def all_webhooks(reader: Reader) -> AsyncIterator[list[Webhook]]:
    """Everybody's webhooks in portions, newest first."""
    after = None
    while found := await reader.webhooks("", after, AT_ONCE):
        yield found
        if len(found) < AT_ONCE:
            return
        after = to_micros(found[-1].created_at), found[-1].id


async def list_webhooks(
    reader: Reader, owner_id: str, page_size: int, page_token: str
) -> Page[Webhook]:
    """A page of a user's webhooks, newest first."""
    scope = f"webhooks of {owner_id}"
    after: Any = decode_page_token(scope, page_token, int, str)
    found = await reader.webhooks(owner_id, after, page_size + 1)
    return page_of(scope, found, [(to_micros(it.created_at), it.id) for it in found], page_size)


async def list_dead_letters(
    reader: Reader, caller: Caller, webhook_id: str, page_size: int, page_token: str
) -> Page[Delivery]:
    """A page of a webhook's dead letters, newest first; raises WebhookNotFound."""
    own(await reader.webhook(webhook_id), webhook_id, caller)
    scope = f"dead letters of {webhook_id}"
    after: Any = decode_page_token(scope, page_token, int)
    last = after[0] if after else None
    found = await reader.dead_letters(webhook_id, last, page_size + 1)
    return page_of(scope, found, [(it.revision,) for it in found], page_size)
