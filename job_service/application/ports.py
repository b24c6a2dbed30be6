"""What the application needs of the outside world."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from job_service.domain.job import Job, JobEvent, JobState, Run
from job_service.domain.ledger import Account, Entry, EntryKind
from job_service.domain.reports import Report
from job_service.domain.waiting import WaitingReason
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


class Accounts(Protocol):
    """Quota accounts by owner and month."""

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        """Reads many accounts at once, by (owner id, period)."""

    def find(self, owner_id: str, period: str) -> Account | None:
        """The account, or None if the owner has none in that month yet."""

    def save(self, account: Account) -> None:
        """Stores a new or changed account."""


class Ledger(Protocol):
    """The entries of all accounts; append only."""

    def add(self, entries: Iterable[Entry]) -> None:
        """Appends entries; an id that is there already is refused when the change commits."""


class Events(Protocol):
    """The service's event log."""

    def append(self, events: Sequence[JobEvent]) -> None:
        """Appends the events of one change."""


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


class EntryQuery(Value, frozen=True):
    """Which ledger entries a statement shows."""

    owner_id: str
    job_id: str = ""
    kinds: tuple[EntryKind, ...] = ()
    from_time: datetime | None = None
    to_time: datetime | None = None


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

    async def position(self, name: str) -> str:
        """How far a loop has read, empty if it never did."""

    async def account(self, owner_id: str, period: str) -> Account | None:
        """The account, or None if the owner has none in that month yet."""

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

    async def reasons(self, run_ids: Sequence[str]) -> Mapping[str, WaitingReason]:
        """Why these runs wait, up to 1,000 of them; those that do not wait are left out."""

    async def gpu_types(self) -> frozenset[str]:
        """The device types that its pools have."""


class GpuTypes(Protocol):
    """The device types that the scheduler's pools have."""

    def known(self) -> frozenset[str]:
        """All names, or nothing while the scheduler has not been reached yet."""
