"""Subscriptions to changes of jobs, and how long their deliveries are tried."""

import base64
import hmac
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from job_service.domain.job import JobEvent
from job_service.domain.states import JobState
from servicekit.values import Value, replace

GIVE_UP_AFTER = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
MOST_WAITING = 10_000
"""Deliveries of one webhook that wait at most; what comes on top is a dead letter at once."""


class Webhook(Value, frozen=True):
    """An address that is told of changes of jobs.

    Attributes:
        secret: what deliveries are signed with, or that encrypted, in base64.
        sealed: whether it is encrypted.
        states: only changes into these; empty means every change.
        labels: only jobs with all of these; no value means any.
        everybody: whether it is about everybody's jobs and not only its owner's.
        waiting: deliveries that are still to be made.
        failures: attempts that failed since the last one that did not.
    """

    hidden = ("secret",)
    id: str
    owner_id: str
    url: str
    secret: str
    created_at: datetime
    states: tuple[JobState, ...] = ()
    labels: tuple[tuple[str, str | None], ...] = ()
    everybody: bool = False
    waiting: int = 0
    last_success_at: datetime | None = None
    failures: int = 0
    sealed: bool = False

    def wants(self, event: JobEvent) -> bool:
        """Whether it is told of this event."""
        job, labels = event.job, event.job.spec.labels
        into = job.state if job.state is not event.previous_state else None
        return (
            event.at >= self.created_at
            and (self.everybody or job.owner.id == self.owner_id)
            and (not self.states or into in self.states)
            and all(key in labels and value in (None, labels[key]) for key, value in self.labels)
        )


class Delivery(Value, frozen=True):
    """One event for one webhook. Without a time to be made it is a dead letter.

    ``last_status`` is the last attempt's HTTP status, 0 when there was no answer.
    """

    id: str
    webhook_id: str
    revision: int
    event_id: str
    body: bytes
    created_at: datetime
    due_at: datetime | None
    attempts: int = 0
    last_status: int = 0
    last_error: str = ""
    last_at: datetime | None = None

    def failed(self, attempt: "Attempt") -> "Delivery":
        """The delivery after an attempt that failed: due again later, or a dead letter."""
        pause = min(FIRST_PAUSE * 2 ** min(self.attempts, 16), LONGEST_PAUSE) * attempt.jitter
        given_up = attempt.at - self.created_at >= GIVE_UP_AFTER
        return replace(
            self,
            attempts=self.attempts + 1,
            due_at=None if given_up else attempt.at + pause,
            last_status=attempt.status,
            last_error=attempt.error,
            last_at=attempt.at,
        )


class Attempt(Value, frozen=True):
    """What became of an attempt: it went well when there is no error.

    ``jitter`` scales the pause before the next one, so that many do not come back together.
    """

    delivery_id: str
    status: int
    error: str
    at: datetime
    jitter: float = 1.0


def delivery_id(webhook_id: str, revision: int) -> str:
    """The id of an event's delivery: whoever plans it again makes the same one."""
    return str(uuid5(UUID(webhook_id), str(revision)))


def signature(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """The header that proves who sent a delivery and when."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    digest = hmac.digest(secret.encode(), signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
