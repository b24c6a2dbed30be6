"""What the application needs of the outside world."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from job_service.domain.approval import Rules
from job_service.domain.job import Job, JobEvent, JobState, Owner
from job_service.domain.ledger import Account, Entry, EntryKind
from job_service.domain.offers import Offers
from job_service.domain.output import OutputLine
from job_service.domain.quotes import Outlook
from job_service.domain.reports import Report
from job_service.domain.runs import Run
from job_service.domain.waiting import Waiting
from job_service.domain.webhook import Delivery, Webhook
from servicekit.values import Value


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

    def keep_run(self, job_id: str, run: Run) -> None:
        """Stores a run that its job has left behind."""

    def load_counts(self, owners: Iterable[Owner]) -> None:
        """Reads what counts the jobs of many owners at once, before jobs are added or saved."""


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


class UnitOfWork(Protocol):
    """Everything that one transaction may read and change."""

    @property
    def jobs(self) -> Jobs:
        """Jobs."""

    @property
    def accounts(self) -> Accounts:
        """Quota accounts."""

    @property
    def ledger(self) -> Ledger:
        """Ledger entries."""

    @property
    def rules(self) -> ApprovalRules:
        """Approval rules."""

    @property
    def offers(self) -> OffersNoted:
        """What is on offer."""

    @property
    def quote_keys(self) -> QuoteKeys:
        """The key of quotes."""

    @property
    def webhooks(self) -> Webhooks:
        """Webhooks."""

    @property
    def deliveries(self) -> Deliveries:
        """Deliveries to webhooks."""

    @property
    def events(self) -> Events:
        """The event log."""

    @property
    def cursors(self) -> Cursors:
        """Positions of the loops."""


class JobQuery(Value, frozen=True):
    """Which jobs a list shows. Conditions of different fields must all hold.

    Empty ones hold always.
    """

    owner_id: str = ""
    team: str = ""
    states: tuple[JobState, ...] = ()
    gpu_type: str = ""
    pool: str = ""
    provider: str = ""
    name_prefix: str = ""
    labels: tuple[tuple[str, str | None], ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    by_update: bool = False
    ascending: bool = False
    array_id: str = ""

    def about(self, job: Job) -> bool:
        """Whether everything that never changes about the job matches."""
        spec, labels = job.spec, job.spec.labels
        return (
            (not self.owner_id or job.owner.id == self.owner_id)
            and (not self.team or job.owner.team == self.team)
            and (not self.gpu_type or spec.resources.gpu_type == self.gpu_type)
            and (not self.pool or spec.pool == self.pool)
            and (not self.provider or spec.provider == self.provider)
            and (not self.array_id or job.array_id == self.array_id)
            and spec.name.startswith(self.name_prefix)
            and (self.created_from is None or job.created_at >= self.created_from)
            and (self.created_to is None or job.created_at < self.created_to)
            and all(key in labels and value in (None, labels[key]) for key, value in self.labels)
        )

    def shows(self, state: JobState | None) -> bool:
        """Whether a job in this state matches; no job does not."""
        return state is not None and (not self.states or state in self.states)


class EntryQuery(Value, frozen=True):
    """Which ledger entries a statement shows."""

    subject: str
    job_id: str = ""
    kinds: tuple[EntryKind, ...] = ()
    from_time: datetime | None = None
    to_time: datetime | None = None


class AccountQuery(Value, frozen=True):
    """Which quotas a list shows: of teams or of users, and of the users those of one team."""

    period: str
    teams: bool = False
    member_of: str = ""


class Reader(Protocol):
    """Reads what is committed, beside the writer."""

    async def job(self, job_id: str) -> Job:
        """The job; raises JobNotFound."""

    async def jobs(self, query: JobQuery, after: tuple[int, str] | None, limit: int) -> list[Job]:
        """A page of jobs, after the (time in microseconds, id) of the page before."""

    async def snapshot(self, query: JobQuery, job_ids: Sequence[str]) -> tuple[int, list[Job]]:
        """The log's newest revision and the matching jobs as they were at that very revision.

        Without ids: unfinished jobs; with them: those jobs, finished or not.
        """

    async def job_events(self, job_id: str, after: int, limit: int) -> list[tuple[int, JobEvent]]:
        """What happened to a job after a revision, oldest first, with its revisions."""

    async def runs(self, job_id: str, before: int, limit: int) -> list[Run]:
        """The runs that a job has left behind, the latest first, before an attempt."""

    async def counts(self, owner_id: str = "", team: str = "") -> dict[JobState, int]:
        """How many jobs of an owner, or of a team, or of everybody are in each state."""

    async def dependents(self, job_ids: Iterable[str]) -> list[str]:
        """The jobs that were told to wait for one of these."""

    async def due(
        self, after: tuple[datetime, str], until: datetime, limit: int
    ) -> list[tuple[datetime, str]]:
        """Jobs that time alone lets go on, with that time, in order, after (time, id)."""

    async def position(self, name: str) -> str:
        """How far a loop has read, empty if it never did."""

    async def approval_rules(self) -> Rules | None:
        """The approval rules, or None while nobody has set any."""

    async def quote_key(self) -> bytes:
        """The key that quotes are signed with."""

    async def undecided(self, before: datetime, limit: int) -> list[str]:
        """The ids of jobs that were submitted before a time and still wait for approval."""

    async def archivable(self, before: datetime, limit: int) -> list[str]:
        """The ids of jobs that ended before a time and that no other job still names."""

    async def trimmable(self, before: datetime, limit: int) -> int:
        """The last revision up to which the log's oldest events are all from before a time.

        Of the first ``limit`` events, and never within a change; 0 if there is none.
        """

    async def webhook(self, webhook_id: str) -> Webhook | None:
        """The webhook, or None."""

    async def webhooks(
        self, owner_id: str, after: tuple[int, str] | None, limit: int
    ) -> list[Webhook]:
        """A page of webhooks, newest first, after the (time in microseconds, id) of the last.

        With an empty owner id everybody's.
        """

    async def dead_letters(self, webhook_id: str, after: int | None, limit: int) -> list[Delivery]:
        """A page of a webhook's dead letters, newest first, after the revision of the last."""

    async def next_delivery_at(self) -> datetime | None:
        """When the next delivery is due; None when there is none."""

    async def account(self, subject: str, period: str) -> Account | None:
        """The account, or None if the subject has none in that month yet."""

    async def accounts(self, query: AccountQuery, after: str, limit: int) -> list[Account]:
        """Accounts of a month and those without one, in the order of their subjects.

        Of up to ``limit`` subjects after ``after``, both where a subject has both.
        """

    async def entries(
        self, query: EntryQuery, after: tuple[str, int] | None, limit: int
    ) -> list[Entry]:
        """A page of an owner's entries, newest first, after the (period, sequence) of the last."""


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
