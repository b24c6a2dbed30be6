"""WebhookService."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gpuaas.job.v1 import webhook_service_pb2 as pb
from gpuaas.job.v1.webhook_service_pb2_grpc import WebhookServiceServicer
from job_service.application import webhooks
from job_service.application.commands.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    RedeliverDeadLetter,
)
from job_service.application.ports import Reader, Secrets, Sender
from job_service.domain.errors import WebhookNotFound
from job_service.domain.webhook import Webhook
from job_service.entrypoints.decoding import fields, filters
from job_service.entrypoints.encoding.webhooks import (
    create_webhook_response,
    dead_letter_message,
    delete_webhook_response,
    redeliver_response,
    webhook_message,
)
from job_service.entrypoints.grpc_api.calling import Context, caller
from servicekit.clock import Clock
from servicekit.errors import PermissionDenied
from servicekit.eventlog import EventLog
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource


@dataclass(frozen=True)
class WebhookApi(WebhookServiceServicer):
    """Serves WebhookService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    sender: Sender
    secrets: Secrets
    log: EventLog
    most_each: int
    clock: Clock
    new_id: IdSource
    new_secret: Callable[[], str]

    async def CreateWebhook(
        self, request: pb.CreateWebhookRequest, context: Context
    ) -> pb.CreateWebhookResponse:
        """Creates a webhook and shows its secret."""
        asking, secret = caller(), self.new_secret()
        if request.everybody and not asking.is_admin:
            raise PermissionDenied("everybody: only an admin watches other users' jobs")
        states = filters.states(request.states)
        labels = filters.label_conditions(request.labels)
        await self.sender.check(request.url)
        webhook = Webhook(
            id=self.new_id(),
            owner_id=asking.id,
            url=request.url,
            secret=secret,
            created_at=self.clock.now(),
            states=states,
            labels=labels,
            everybody=request.everybody,
        )
        command = CreateWebhook(self.secrets.sealed(webhook), self.most_each, self.log.head)
        answer = await self.once(
            request, command, create_webhook_response, pb.CreateWebhookResponse
        )
        if answer.webhook.id == webhook.id:
            answer.secret = secret  # What is remembered for a repeat does not have it.
        return answer

    async def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: Context
    ) -> pb.ListWebhooksResponse:
        """Lists a user's webhooks."""
        asking = caller()
        if request.owner_id not in ("", asking.id) and not asking.is_admin:
            raise PermissionDenied("owner_id: only an admin lists other users' webhooks")
        owner_id = fields.text(request.owner_id, "owner_id", filters.LONGEST_ID) or asking.id
        size = fields.page_size(request.page_size)
        page = await webhooks.list_webhooks(self.reader, owner_id, size, request.page_token)
        messages = [webhook_message(webhook) for webhook in page.items]
        return pb.ListWebhooksResponse(webhooks=messages, next_page_token=page.next_page_token)

    async def DeleteWebhook(
        self, request: pb.DeleteWebhookRequest, context: Context
    ) -> pb.DeleteWebhookResponse:
        """Deletes a webhook."""
        command = DeleteWebhook(_id(request.webhook_id), caller())
        return await self.once(request, command, delete_webhook_response, pb.DeleteWebhookResponse)

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        """Lists a webhook's dead letters."""
        page = await webhooks.list_dead_letters(
            self.reader,
            caller(),
            _id(request.webhook_id),
            fields.page_size(request.page_size),
            request.page_token,
        )
        letters = [dead_letter_message(delivery) for delivery in page.items]
        return pb.ListDeadLettersResponse(
            dead_letters=letters, next_page_token=page.next_page_token
        )

    async def RedeliverDeadLetter(
        self, request: pb.RedeliverDeadLetterRequest, context: Context
    ) -> pb.RedeliverDeadLetterResponse:
        """Sends a dead letter again."""
        delivery_id = fields.required(request.dead_letter_id, "dead_letter_id", filters.LONGEST_ID)
        command = RedeliverDeadLetter(
            _id(request.webhook_id), delivery_id, caller(), self.clock.now()
        )
        return await self.once(request, command, redeliver_response, pb.RedeliverDeadLetterResponse)


def _id(webhook_id: str) -> str:
    """The id of a webhook; whatever is none names none."""
    fields.required(webhook_id, "webhook_id", filters.LONGEST_ID)
    try:
        return str(UUID(webhook_id))
    except ValueError:
        raise WebhookNotFound(webhook_id) from None
