"""Webhooks and their dead letters."""

from google.protobuf.json_format import Parse

from gpuaas.job.v1 import job_pb2, webhook_pb2, webhook_service_pb2
from job_service.domain.webhook import Delivery, Webhook
from servicekit.wellknown import write_time


def create_webhook_response(webhook: Webhook) -> webhook_service_pb2.CreateWebhookResponse:
    """The answer to the one who created it; its secret is added where nothing is remembered."""
    return webhook_service_pb2.CreateWebhookResponse(webhook=webhook_message(webhook))


def delete_webhook_response(_: None) -> webhook_service_pb2.DeleteWebhookResponse:
    """The answer to a deletion."""
    return webhook_service_pb2.DeleteWebhookResponse()


def redeliver_response(_: None) -> webhook_service_pb2.RedeliverDeadLetterResponse:
    """The answer to a redelivery."""
    return webhook_service_pb2.RedeliverDeadLetterResponse()


def webhook_message(webhook: Webhook) -> webhook_pb2.Webhook:
    """A webhook, without its secret."""
    message = webhook_pb2.Webhook(
        id=webhook.id,
        owner_id=webhook.owner_id,
        url=webhook.url,
        states=[job_pb2.JobState.Value(f"JOB_STATE_{state}") for state in webhook.states],
        labels=[key if value is None else f"{key}={value}" for key, value in webhook.labels],
        everybody=webhook.everybody,
        failures=webhook.failures,
    )
    write_time(message.create_time, webhook.created_at)
    if webhook.last_success_at:
        write_time(message.last_success_time, webhook.last_success_at)
    return message


def dead_letter_message(delivery: Delivery) -> webhook_pb2.DeadLetter:
    """A delivery that could not be made."""
    message = webhook_pb2.DeadLetter(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )
    # An event that an older version wrote may know more than this one.
    Parse(delivery.body, message.event, ignore_unknown_fields=True)
    if delivery.last_at:
        write_time(message.last_attempt_time, delivery.last_at)
    return message
