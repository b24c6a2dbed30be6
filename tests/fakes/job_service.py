"""The ports of job_service in memory, held to the same contract suite as the databases."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from job_service.application.ports import EntryQuery, JobQuery, QueuedRun
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import Account, Entry
from job_service.domain.reports import Report
from job_service.domain.waiting import WaitingReason
from servicekit.clock import to_micros
from servicekit.errors import Aborted
from servicekit.values import replace


@dataclass
class FakeJobs:
    """Jobs in a dictionary."""

    by_id: dict[str, Job] = field(default_factory=dict)

    def load(self, job_ids: Iterable[str]) -> None:
        pass

    def find(self, job_id: str) -> Job | None:
        return self.by_id.get(job_id)

    def get(self, job_id: str) -> Job:
        if job_id not in self.by_id:
            raise JobNotFound(job_id)
        return self.by_id[job_id]

    def add(self, job: Job) -> None:
        if job.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[job.id] = job

    def save(self, job: Job) -> None:
        if job.id not in self.by_id:
            raise LookupError(job.id)
        self.by_id[job.id] = job


@dataclass
class FakeAccounts:
    """Accounts in a dictionary, which overdraws none."""

    by_key: dict[tuple[str, str], Account] = field(default_factory=dict)

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        pass

    def find(self, owner_id: str, period: str) -> Account | None:
        return self.by_key.get((owner_id, period))

    def save(self, account: Account) -> None:
        if min(account.reserved, account.used, account.available) < 0:
            raise Aborted("overdrawn")
        self.by_key[account.owner_id, account.period] = account


@dataclass
class FakeLedger:
    """Entries in a list."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if any(_clashes(entry, other) for other in self.entries):
                raise Aborted("not unique")
            if entry.amount <= 0 or entry.left < 0:
                raise Aborted("no movement")
            self.entries.append(entry)


@dataclass
class FakeEvents:
    """Events in a list; their revisions are their places, from 1."""

    appended: list[JobEvent] = field(default_factory=list)

    def append(self, events: Sequence[JobEvent]) -> None:
        self.appended += events


@dataclass
class FakeCursors:
    """Positions in a dictionary."""

    positions: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.positions.get(name, "")

    def move(self, name: str, position: str) -> None:
        self.positions[name] = position


@dataclass
class FakeUnit:
    """Everything in memory."""

    jobs: FakeJobs = field(default_factory=FakeJobs)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    events: FakeEvents = field(default_factory=FakeEvents)
    cursors: FakeCursors = field(default_factory=FakeCursors)

    def copy(self) -> "FakeUnit":
        """Another unit that holds the same; rows never change, so a flat copy is one."""
        return FakeUnit(
            FakeJobs(dict(self.jobs.by_id)),
            FakeAccounts(dict(self.accounts.by_key)),
            FakeLedger(list(self.ledger.entries)),
            FakeEvents(list(self.events.appended)),
            FakeCursors(dict(self.cursors.positions)),
        )


@dataclass
class FakeStore:
    """Writer and reader over one unit that stays. A refused command changes nothing."""

    unit: FakeUnit = field(default_factory=FakeUnit)

    def run(self, command: Any) -> Any:
        """Runs a command at once."""
        trial = self.unit.copy()
        answer = command.run(trial)
        self.unit = trial
        return answer

    async def execute(self, command: Any) -> Any:
        return self.run(command)

    async def job(self, job_id: str) -> Job:
        return self.unit.jobs.get(job_id)

    async def jobs(self, query: JobQuery, after: tuple[int, str] | None, limit: int) -> list[Job]:
        def key(job: Job) -> tuple[int, str]:
            return to_micros(job.updated_at if query.by_update else job.created_at), job.id

        found = [job for job in self.unit.jobs.by_id.values() if _matches(query, job)]
        found.sort(key=key, reverse=not query.ascending)
        if after is not None and query.ascending:
            found = [job for job in found if key(job) > after]
        elif after is not None:
            found = [job for job in found if key(job) < after]
        return found[:limit]

    async def snapshot(self, query: JobQuery, job_ids: Sequence[str]) -> tuple[int, list[Job]]:
        oldest_first = replace(query, ascending=True, by_update=False)
        found = await self.jobs(oldest_first, None, len(self.unit.jobs.by_id))
        shown = [job for job in found if (job.id in job_ids if job_ids else not job.state.ended)]
        return len(self.unit.events.appended), shown

    async def position(self, name: str) -> str:
        return self.unit.cursors.get(name)

    async def account(self, owner_id: str, period: str) -> Account | None:
        return self.unit.accounts.find(owner_id, period)

    async def entries(
        self, query: EntryQuery, after: tuple[str, int] | None, limit: int
    ) -> list[Entry]:
        found = [entry for entry in self.unit.ledger.entries if _is_asked_for(query, entry)]
        found.sort(key=_order, reverse=True)
        return [entry for entry in found if after is None or _order(entry) < after][:limit]


@dataclass
class FakeScheduler:
    """Takes every run, refuses those that it is told to, and reports what it is given."""

    gpu: frozenset[str] = frozenset()
    refuses: dict[str, Report] = field(default_factory=dict)
    enqueued: list[QueuedRun] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    reports: asyncio.Queue[tuple[list[Report], str]] = field(default_factory=asyncio.Queue)
    watched_from: list[str] = field(default_factory=list)

    async def enqueue(self, runs: Sequence[QueuedRun]) -> list[Report]:
        self.enqueued += runs
        return [self.refuses[run.run.id] for run in runs if run.run.id in self.refuses]

    async def cancel(self, run_ids: Sequence[str]) -> None:
        self.cancelled += run_ids

    async def watch(self, position: str) -> AsyncIterator[tuple[list[Report], str]]:
        self.watched_from.append(position)
        while True:
            yield await self.reports.get()

    async def reasons(self, run_ids: Sequence[str]) -> dict[str, WaitingReason]:
        return {}

    async def gpu_types(self) -> frozenset[str]:
        return self.gpu


def _order(entry: Entry) -> tuple[str, int]:
    return entry.period, entry.sequence


def _clashes(one: Entry, other: Entry) -> bool:
    same_owner = one.owner_id == other.owner_id
    return one.id == other.id or (same_owner and _order(one) == _order(other))


def _matches(query: JobQuery, job: Job) -> bool:
    spec, labels = job.spec, job.spec.labels
    equal = [
        (query.owner_id, job.owner.id),
        (query.team, job.owner.team),
        (query.gpu_type, spec.resources.gpu_type),
        (query.pool, spec.pool),
        (query.provider, spec.provider),
    ]
    return (
        all(wanted in ("", found) for wanted, found in equal)
        and (not query.states or job.state in query.states)
        and spec.name.startswith(query.name_prefix)
        and (query.created_from is None or job.created_at >= query.created_from)
        and (query.created_to is None or job.created_at < query.created_to)
        and all(key in labels and value in (None, labels[key]) for key, value in query.labels)
    )


def _is_asked_for(query: EntryQuery, entry: Entry) -> bool:
    return (
        entry.owner_id == query.owner_id
        and query.job_id in ("", entry.job_id)
        and (not query.kinds or entry.kind in query.kinds)
        and (query.from_time is None or entry.at >= query.from_time)
        and (query.to_time is None or entry.at < query.to_time)
    )
