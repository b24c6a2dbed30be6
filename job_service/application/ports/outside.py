"""The scheduler, HTTP calls to addresses that users gave, and encryption of their secrets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from job_service.domain.job import Job
from job_service.domain.offers import Offers
from job_service.domain.output import OutputLine
from job_service.domain.quotes import Outlook
from job_service.domain.reports import Report
from job_service.domain.runs import Run
from job_service.domain.waiting import Waiting
from job_service.domain.webhook import Webhook
from servicekit.values import Value


class QueuedRun(Value, frozen=True):
    """A run that is to be executed, its job, and the trace context of whoever caused it."""

    job: Job
    run: Run
    traceparent: str


class Scheduler(Protocol):
    """The service that places runs on devices and executes them."""

    async def enqueue(self, runs: Sequence[QueuedRun]) -> list[Report]:
        """Hands runs over; a repeat is harmless. Answers reports of those that were refused."""

    async def cancel(self, run_ids: Sequence[str]) -> None:
        """Stops runs, or takes them out of the queue; those that ended already are left alone."""

    def watch(self, position: str) -> AsyncIterator[tuple[list[Report], str]]:
        """Batches of reports after a position, each with the position after it."""

    async def offers(self) -> Offers:
        """What its pools have to offer."""

    async def quote(self, job: Job) -> Outlook:
        """What would become of a run of a job; of one that waits in the queue, as it stands.

        Raises:
            InvalidArgument: GPU_TYPE_UNKNOWN, POOL_UNKNOWN or PROVIDER_UNKNOWN.
        """

    async def explain(self, run_ids: Sequence[str]) -> dict[str, Waiting]:
        """Why these runs wait; those that do not, or are not known, are left out."""

    def output(
        self, run_id: str, offset: int, tail_lines: int, *, follow: bool
    ) -> AsyncIterator[tuple[list[OutputLine], int]]:
        """Lines of a run's output, each part with the offset after it.

        Raises:
            NotFound: there is no such run.
            OutOfRange: the output is no longer kept.
        """


class OnOffer(Protocol):
    """What the scheduler's pools have to offer."""

    def known(self) -> Offers:
        """All of it, or nothing while the scheduler has not been reached yet."""

    def gpu_types(self) -> frozenset[str]:
        """The device types of that."""


class Sender(Protocol):
    """Makes HTTP calls to addresses that users gave."""

    async def check(self, url: str) -> None:
        """Raises WebhookUrlForbidden unless the address may be called."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Posts a body; answers the HTTP status, 0 without one, and what went wrong, if any."""


class SecretUnreadable(Exception):
    """A webhook's secret is encrypted, and not under the key that is configured, if one is."""


class Secrets(Protocol):
    """Keeps secrets of webhooks encrypted at rest; without a key it leaves them readable."""

    def sealed(self, webhook: Webhook) -> Webhook:
        """The webhook with its secret encrypted."""

    def secret(self, webhook: Webhook) -> str:
        """What the webhook's deliveries are signed with; raises SecretUnreadable."""
