"""What reads, writes and schedules for job_service in memory, over records in memory."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from job_service.application.ports import AccountQuery, EntryQuery, JobQuery, QueuedRun
from job_service.domain.approval import Rules
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import STANDING, Account, Entry
from job_service.domain.offers import Offers
from job_service.domain.output import OutputLine
from job_service.domain.quotes import Outlook, Verdict
from job_service.domain.reports import Report
from job_service.domain.runs import Run
from job_service.domain.states import JobState
from job_service.domain.waiting import Waiting
from job_service.domain.webhook import Delivery, Webhook
from servicekit.clock import to_micros
from servicekit.values import replace
from tests.fakes.job_records import FakeUnit, entry_order


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
        for job in self.unit.jobs.past:
            if job.id == job_id:
                return job
        return self.unit.jobs.get(job_id)

    async def jobs(self, query: JobQuery, after: tuple[int, str] | None, limit: int) -> list[Job]:
        def key(job: Job) -> tuple[int, str]:
            return to_micros(job.updated_at if query.by_update else job.created_at), job.id

        found = [
            job
            for job in self.unit.jobs.by_id.values()
            if query.about(job) and query.shows(job.state)
        ]
        found.sort(key=key, reverse=not query.ascending)
        if after is not None and query.ascending:
            found = [job for job in found if key(job) > after]
        elif after is not None:
            found = [job for job in found if key(job) < after]
        return found[:limit]

    async def snapshot(
        self, query: JobQuery, job_ids: Sequence[str], after: tuple[int, str] | None, limit: int
    ) -> tuple[int, list[Job]]:
        oldest_first = replace(query, ascending=True, by_update=False)
        found = await self.jobs(oldest_first, after, len(self.unit.jobs.by_id))
        shown = [job for job in found if (job.id in job_ids if job_ids else not job.state.ended)]
        return len(self.unit.events.appended), shown[:limit]

    async def job_events(self, job_id: str, after: int, limit: int) -> list[tuple[int, JobEvent]]:
        numbered = enumerate(self.unit.events.appended, 1)
        return [it for it in numbered if it[1].job.id == job_id and it[0] > after][:limit]

    async def runs(self, job_id: str, before: int, limit: int) -> list[Run]:
        runs = [run for run in self.unit.jobs.runs_of(job_id) if run.attempt < before]
        return sorted(runs, key=lambda run: -run.attempt)[:limit]

    async def counts(self, owner_id: str = "", team: str = "") -> dict[JobState, int]:
        found = Counter(
            job.state
            for job in self.unit.jobs.by_id.values()
            if (not owner_id or job.owner.id == owner_id) and (not team or job.owner.team == team)
        )
        return {state: found[state] for state in JobState}

    async def dependents(self, job_ids: Iterable[str]) -> list[str]:
        wanted = set(job_ids)
        return [
            job.id
            for job in self.unit.jobs.by_id.values()
            if any(it.job_id in wanted for it in job.spec.dependencies)
        ]

    async def due(
        self, after: tuple[datetime, str], until: datetime, limit: int
    ) -> list[tuple[datetime, str]]:
        times = [
            (job.spec.not_before if job.state is JobState.APPROVED else job.held_until, job.id)
            for job in self.unit.jobs.by_id.values()
        ]
        return sorted((at, it) for at, it in times if at and at <= until and (at, it) > after)[
            :limit
        ]

    async def position(self, name: str) -> str:
        return self.unit.cursors.get(name)

    async def approval_rules(self) -> Rules | None:
        return self.unit.rules.rules

    async def quote_key(self) -> bytes:
        return self.unit.quote_keys.get()

    async def undecided(self, before: datetime, limit: int) -> list[str]:
        waiting = [it for it in self.unit.jobs.by_id.values() if it.state is JobState.PENDING]
        stale = sorted((it.created_at, it.id) for it in waiting if it.created_at < before)
        return [job_id for _, job_id in stale][:limit]

    async def archivable(self, before: datetime, limit: int) -> list[str]:
        jobs = self.unit.jobs.by_id.values()
        named = {it.job_id for job in jobs for it in job.spec.dependencies}
        old = [it for it in jobs if it.state.ended and it.updated_at < before]
        old.sort(key=lambda it: (it.updated_at, it.id))
        return [it.id for it in old if it.id not in named][:limit]

    async def trimmable(self, before: datetime, limit: int) -> int:
        first = self.unit.events.floor
        events = self.unit.events.appended[first : first + limit]
        old = list(itertools.takewhile(lambda it: it.at < before, events))
        return first + len(old) if old else 0

    async def webhook(self, webhook_id: str) -> Webhook | None:
        return self.unit.webhooks.find(webhook_id)

    async def webhooks(
        self, owner_id: str, after: tuple[int, str] | None, limit: int
    ) -> list[Webhook]:
        found = [it for it in self.unit.webhooks.by_id.values() if owner_id in ("", it.owner_id)]
        found.sort(key=_webhook_order, reverse=True)
        return [it for it in found if after is None or _webhook_order(it) < after][:limit]

    async def dead_letters(self, webhook_id: str, after: int | None, limit: int) -> list[Delivery]:
        dead = [it for it in self.unit.deliveries.by_id.values() if it.due_at is None]
        its = [it for it in dead if it.webhook_id == webhook_id]
        its.sort(key=lambda it: -it.revision)
        return [it for it in its if after is None or it.revision < after][:limit]

    async def next_delivery_at(self) -> datetime | None:
        due = [it.due_at for it in self.unit.deliveries.by_id.values() if it.due_at]
        return min(due, default=None)

    async def account(self, subject: str, period: str) -> Account | None:
        return self.unit.accounts.find(subject, period)

    async def accounts(self, query: AccountQuery, after: str, limit: int) -> list[Account]:
        kind = "team:" if query.teams else "user:"
        shown = [
            account
            for account in sorted(self.unit.accounts.by_key.values(), key=_account_order)
            if account.period in (STANDING, query.period) and account.subject.startswith(kind)
        ]
        members = {it.subject for it in shown if query.member_of in ("", it.team)}
        page = sorted(it for it in members if it > after)[:limit]
        return [account for account in shown if account.subject in page]

    async def entries(
        self, query: EntryQuery, after: tuple[str, int] | None, limit: int
    ) -> list[Entry]:
        found = [entry for entry in self.unit.ledger.entries if _is_asked_for(query, entry)]
        found.sort(key=entry_order, reverse=True)
        return [entry for entry in found if after is None or entry_order(entry) < after][:limit]


@dataclass
class FakeScheduler:
    """Takes every run, refuses those that it is told to, and reports what it is given."""

    has: Offers = field(default_factory=Offers)
    outlook: Outlook = field(default_factory=lambda: Outlook(Verdict.STARTS_NOW))
    quoted: list[Job] = field(default_factory=list)
    refuses: dict[str, Report] = field(default_factory=dict)
    enqueued: list[QueuedRun] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    waits: dict[str, Waiting] = field(default_factory=dict)
    lines: dict[str, list[OutputLine]] = field(default_factory=dict)
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

    async def offers(self) -> Offers:
        return self.has

    async def quote(self, job: Job) -> Outlook:
        self.quoted.append(job)
        return self.outlook

    async def explain(self, run_ids: Sequence[str]) -> dict[str, Waiting]:
        return {run_id: self.waits[run_id] for run_id in run_ids if run_id in self.waits}

    async def output(
        self, run_id: str, offset: int, tail_lines: int, *, follow: bool
    ) -> AsyncIterator[tuple[list[OutputLine], int]]:
        lines = self.lines.get(run_id, [])
        yield lines[-tail_lines:] if tail_lines else lines[offset:], len(lines)


def _webhook_order(webhook: Webhook) -> tuple[int, str]:
    return to_micros(webhook.created_at), webhook.id


def _account_order(account: Account) -> tuple[str, str]:
    return account.subject, account.period


def _is_asked_for(query: EntryQuery, entry: Entry) -> bool:
    return (
        entry.subject == query.subject
        and query.job_id in ("", entry.job_id)
        and (not query.kinds or entry.kind in query.kinds)
        and (query.from_time is None or entry.at >= query.from_time)
        and (query.to_time is None or entry.at < query.to_time)
    )
