"""What queries read, beside the writer, and by which conditions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from job_service.domain.approval import Rules
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import Account, Entry, EntryKind
from job_service.domain.runs import Run
from job_service.domain.states import JobState
from job_service.domain.webhook import Delivery, Webhook
from servicekit.values import Value


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

    async def snapshot(
        self, query: JobQuery, job_ids: Sequence[str], after: tuple[int, str] | None, limit: int
    ) -> tuple[int, list[Job]]:
        """The log's newest revision and a page of jobs as they were at that very revision.

        Oldest first, after the (time in microseconds, id) of the page before. Without ids:
        unfinished jobs; with them: those jobs, finished or not.
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
