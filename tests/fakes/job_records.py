"""The records of job_service in memory, held to the same contract suite as the databases."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from job_service.domain.approval import Rules
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import Account, Entry, EntryKind
from job_service.domain.offers import Offers
from job_service.domain.runs import Run
from job_service.domain.webhook import Delivery, Webhook
from servicekit.errors import Aborted


@dataclass
class FakeJobs:
    """Jobs in a dictionary."""

    by_id: dict[str, Job] = field(default_factory=dict)
    runs: tuple[tuple[str, Run], ...] = ()
    past: tuple[Job, ...] = ()

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

    def archive(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            del self.by_id[job.id]
            self.past = (*self.past, job)

    def archived(self, job_id: str) -> Job | None:
        return next((it for it in self.past if it.id == job_id), None)

    def keep_run(self, job_id: str, run: Run) -> None:
        if any(
            run.id == other.id or run.attempt == other.attempt for other in self.runs_of(job_id)
        ):
            raise Aborted("not unique")
        self.runs = (*self.runs, (job_id, run))

    def runs_of(self, job_id: str) -> list[Run]:
        return [run for owner, run in self.runs if owner == job_id]


@dataclass
class FakeAccounts:
    """Accounts in a dictionary, which overdraws none."""

    by_key: dict[tuple[str, str], Account] = field(default_factory=dict)

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        pass

    def find(self, subject: str, period: str) -> Account | None:
        return self.by_key.get((subject, period))

    def save(self, account: Account) -> None:
        unreserved = account.used - account.overrun
        if min(account.reserved, unreserved, account.overrun) < 0:
            raise Aborted("negative")
        if account.available + account.overrun < 0:
            raise Aborted("overdrawn")
        if account.reserved_total != unreserved + account.refunded_total + account.reserved:
            raise Aborted("does not add up")
        self.by_key[account.subject, account.period] = account


@dataclass
class FakeLedger:
    """Entries in a list."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if any(_clashes(entry, other) for other in self.entries):
                raise Aborted("not unique")
            if entry.amount == 0 or (entry.amount < 0 and entry.kind is not EntryKind.LIMIT_CHANGE):
                raise Aborted("no movement")
            if entry.left < 0 and entry.kind in (EntryKind.RESERVE, EntryKind.ALLOWANCE):
                raise Aborted("overdrawn")
            self.entries.append(entry)


@dataclass
class FakeRules:
    """All rules in a variable."""

    rules: Rules | None = None

    def load(self) -> None:
        pass

    def get(self) -> Rules | None:
        return self.rules

    def save(self, rules: Rules) -> None:
        self.rules = rules


@dataclass
class FakeOffers:
    """What is on offer in a variable."""

    noted: Offers = field(default_factory=Offers)

    def get(self) -> Offers:
        return self.noted

    def save(self, offers: Offers) -> None:
        self.noted = offers


@dataclass
class FakeQuoteKeys:
    """A key that everybody knows."""

    key: bytes = b"a key of thirty-two bytes, always"[:32]

    def get(self) -> bytes:
        return self.key


@dataclass
class FakeWebhooks:
    """Webhooks in a dictionary, beside their deliveries."""

    deliveries: "FakeDeliveries"
    by_id: dict[str, Webhook] = field(default_factory=dict)

    def find(self, webhook_id: str) -> Webhook | None:
        return self.by_id.get(webhook_id)

    def count(self, owner_id: str) -> int:
        return sum(owner_id in ("", it.owner_id) for it in self.by_id.values())

    def add(self, webhook: Webhook) -> None:
        if webhook.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[webhook.id] = webhook

    def save(self, webhook: Webhook) -> None:
        self.by_id[webhook.id] = webhook

    def remove(self, webhook_id: str) -> None:
        del self.by_id[webhook_id]
        its = [it.id for it in self.deliveries.by_id.values() if it.webhook_id == webhook_id]
        self.deliveries.remove(its)


@dataclass
class FakeDeliveries:
    """Deliveries in a dictionary."""

    by_id: dict[str, Delivery] = field(default_factory=dict)

    def load(self, delivery_ids: Iterable[str]) -> None:
        pass

    def find(self, delivery_id: str) -> Delivery | None:
        return self.by_id.get(delivery_id)

    def add(self, delivery: Delivery) -> None:
        if delivery.id in self.by_id:
            raise Aborted("not unique")
        self.by_id[delivery.id] = delivery

    def save(self, delivery: Delivery) -> None:
        self.by_id[delivery.id] = delivery

    def remove(self, delivery_ids: Iterable[str]) -> None:
        for delivery_id in delivery_ids:
            self.by_id.pop(delivery_id, None)

    def forget(self, before: datetime, most: int) -> int:
        dead = [it for it in self.by_id.values() if it.due_at is None and it.last_at]
        old = [it.id for it in dead if it.last_at and it.last_at < before][:most]
        self.remove(old)
        return len(old)

    def due(self, now: datetime, busy: Iterable[str], each: int, limit: int) -> list[Delivery]:
        busy, turns, found = set(busy), Counter[str](), list[tuple[int, datetime, str]]()
        waiting = [(it.due_at, it.revision, it) for it in self.by_id.values() if it.due_at]
        for due_at, _, delivery in sorted(waiting, key=lambda it: it[:2]):
            if due_at <= now and delivery.webhook_id not in busy:
                turns[delivery.webhook_id] += 1
                found.append((turns[delivery.webhook_id], due_at, delivery.id))
        return [self.by_id[it] for turn, _, it in sorted(found) if turn <= each][:limit]


@dataclass
class FakeEvents:
    """Events in a list; their revisions are their places, from 1."""

    appended: list[JobEvent] = field(default_factory=list)
    floor: int = 0

    def append(self, events: Sequence[JobEvent]) -> None:
        self.appended += events

    def trim(self, revision: int) -> None:
        self.floor = max(self.floor, revision)


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
    rules: FakeRules = field(default_factory=FakeRules)
    events: FakeEvents = field(default_factory=FakeEvents)
    cursors: FakeCursors = field(default_factory=FakeCursors)
    deliveries: FakeDeliveries = field(default_factory=FakeDeliveries)
    offers: FakeOffers = field(default_factory=FakeOffers)
    quote_keys: FakeQuoteKeys = field(default_factory=FakeQuoteKeys)
    webhooks: FakeWebhooks = field(init=False)

    def __post_init__(self) -> None:
        self.webhooks = FakeWebhooks(self.deliveries)

    def copy(self) -> "FakeUnit":
        """Another unit that holds the same; rows never change, so a flat copy is one."""
        copy = FakeUnit(
            FakeJobs(dict(self.jobs.by_id), self.jobs.runs, self.jobs.past),
            FakeAccounts(dict(self.accounts.by_key)),
            FakeLedger(list(self.ledger.entries)),
            FakeRules(self.rules.rules),
            FakeEvents(list(self.events.appended), self.events.floor),
            FakeCursors(dict(self.cursors.positions)),
            FakeDeliveries(dict(self.deliveries.by_id)),
            FakeOffers(self.offers.noted),
        )
        copy.webhooks.by_id = dict(self.webhooks.by_id)
        return copy


def entry_order(entry: Entry) -> tuple[str, int]:
    """The order of an account's entries."""
    return entry.period, entry.sequence


def _clashes(one: Entry, other: Entry) -> bool:
    same_subject = one.subject == other.subject
    return one.id == other.id or (same_subject and entry_order(one) == entry_order(other))
