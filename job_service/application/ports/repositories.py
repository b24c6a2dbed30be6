"""What commands read and change, each kind of thing by a repository of its own."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from job_service.domain.approval import Rules
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import Account, Entry
from job_service.domain.offers import Offers
from job_service.domain.runs import Run
from job_service.domain.webhook import Delivery, Webhook


class Jobs(Protocol):
    """Jobs by id."""

    def load(self, job_ids: Iterable[str]) -> None:
        """Reads many jobs at once, before they are asked for."""

    def get(self, job_id: str) -> Job:
        """The job; raises JobNotFound."""

    def find(self, job_id: str) -> Job | None:
        """The job, or None."""

    def add(self, job: Job) -> None:
        """Stores a new job."""

    def save(self, job: Job) -> None:
        """Stores a changed job."""

    def archive(self, jobs: Iterable[Job]) -> None:
        """Takes jobs that ended out of everything but what readers get by id."""

    def archived(self, job_id: str) -> Job | None:
        """An archived job, which ended long ago and changes no more, or None."""

    def keep_run(self, job_id: str, run: Run) -> None:
        """Stores a run that its job has left behind."""


class Accounts(Protocol):
    """Quota accounts by subject and month."""

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        """Reads many accounts at once, by (subject, period)."""

    def find(self, subject: str, period: str) -> Account | None:
        """The account, or None if the subject has none in that month yet."""

    def save(self, account: Account) -> None:
        """Stores a new or changed account."""


class Ledger(Protocol):
    """The entries of all accounts; append only."""

    def add(self, entries: Iterable[Entry]) -> None:
        """Appends entries; an id that is there already is refused when the change commits."""


class ApprovalRules(Protocol):
    """The rules that admins set."""

    def load(self) -> None:
        """Reads them, before they are asked for."""

    def get(self) -> Rules | None:
        """The rules, or None while nobody has set any."""

    def save(self, rules: Rules) -> None:
        """Stores the rules in place of those before."""


class OffersNoted(Protocol):
    """What the scheduler has to offer, as it was noted last."""

    def get(self) -> Offers:
        """All of it; nothing while nothing was noted."""

    def save(self, offers: Offers) -> None:
        """Stores it in place of what was noted before."""


class QuoteKeys(Protocol):
    """What quotes are signed with."""

    def get(self) -> bytes:
        """The key, the same for all processes of the installation."""


class Webhooks(Protocol):
    """Webhooks by id."""

    def find(self, webhook_id: str) -> Webhook | None:
        """The webhook, or None."""

    def count(self, owner_id: str) -> int:
        """How many webhooks a user has; with an empty id, how many there are."""

    def add(self, webhook: Webhook) -> None:
        """Stores a new webhook."""

    def save(self, webhook: Webhook) -> None:
        """Stores a changed webhook."""

    def remove(self, webhook_id: str) -> None:
        """Deletes a webhook with its deliveries."""


class Deliveries(Protocol):
    """What webhooks are still to be told, and what they could not be told."""

    def load(self, delivery_ids: Iterable[str]) -> None:
        """Reads many deliveries at once, before they are asked for."""

    def find(self, delivery_id: str) -> Delivery | None:
        """The delivery, or None."""

    def add(self, delivery: Delivery) -> None:
        """Stores a new delivery."""

    def save(self, delivery: Delivery) -> None:
        """Stores a changed delivery."""

    def remove(self, delivery_ids: Iterable[str]) -> None:
        """Deletes deliveries that were made."""

    def forget(self, before: datetime, most: int) -> int:
        """Deletes up to so many dead letters whose last attempt was before a time; counts them."""

    def due(self, now: datetime, busy: Iterable[str], each: int, limit: int) -> list[Delivery]:
        """Deliveries that are due, of webhooks that are not busy, at most ``each`` of one."""


class Events(Protocol):
    """The service's event log."""

    def append(self, events: Sequence[JobEvent]) -> None:
        """Appends the events of one change."""

    def trim(self, revision: int) -> None:
        """Deletes events up to and including a revision; a cursor before it is then too old."""


class Cursors(Protocol):
    """How far the service's loops have read."""

    def get(self, name: str) -> str:
        """The position, empty if nothing was read yet."""

    def move(self, name: str, position: str) -> None:
        """Puts a loop at a position."""
