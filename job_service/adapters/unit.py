"""The unit of work over a writer's transaction: repositories that turn jobs and quota into rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from job_service.adapters.documents import decode_job, encode_event, encode_job
from job_service.adapters.tables import ACCOUNTS, JOB_LABELS, JOBS, LEDGER, PLUMBING
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job, JobEvent
from job_service.domain.ledger import Account, Entry
from servicekit.clock import to_micros
from servicekit.eventlog import Cursors
from servicekit.idempotency import Requests
from servicekit.statements import Row
from servicekit.transaction import Transaction


class SqlUnitOfWork:
    """Everything that one group of commands reads and changes."""

    def __init__(self, transaction: Transaction) -> None:
        documents = _Documents()
        self.transaction = transaction
        self.jobs = SqlJobs(transaction, documents)
        self.accounts = SqlAccounts(transaction)
        self.ledger = SqlLedger(transaction)
        self.events = SqlEvents(transaction, documents)
        self.cursors = Cursors(transaction, PLUMBING)
        self.requests = Requests(transaction, PLUMBING)


class _Documents:
    """Encodes each state of a job once, for its row and for its event, and decodes none twice."""

    def __init__(self) -> None:
        self._jobs: dict[bytes, Job] = {}
        self._encoded: dict[int, bytes] = {}

    def of(self, job: Job) -> bytes:
        """The job's document; both are kept, so that the job's identity stays its own."""
        document = self._encoded.get(id(job))
        if document is None:
            document = encode_job(job)
            job = self._jobs.setdefault(document, job)
            self._encoded[id(job)] = document
        return document

    def job(self, document: bytes) -> Job:
        """The job of a document."""
        job = self._jobs.get(document)
        if job is None:
            job = self._jobs[document] = decode_job(document)
            self._encoded[id(job)] = document
        return job


class SqlJobs:
    """Jobs by id."""

    def __init__(self, transaction: Transaction, documents: _Documents) -> None:
        self._transaction = transaction
        self._documents = documents

    def load(self, job_ids: Iterable[str]) -> None:
        """Reads many jobs at once."""
        self._transaction.load(JOBS, job_ids)

    def find(self, job_id: str) -> Job | None:
        """The job, or None."""
        row = self._transaction.get(JOBS, job_id)
        return self._documents.job(row["document"]) if row else None

    def get(self, job_id: str) -> Job:
        """The job; raises JobNotFound."""
        job = self.find(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def add(self, job: Job) -> None:
        """Stores a new job and its labels."""
        self._transaction.insert(JOBS, self._row(job))
        for key, value in job.spec.labels.items():
            self._transaction.insert(JOB_LABELS, {"job_id": job.id, "key": key, "value": value})

    def save(self, job: Job) -> None:
        """Stores a changed job."""
        self._transaction.update(JOBS, self._row(job))

    def _row(self, job: Job) -> Row:
        return {
            "id": job.id,
            "owner_id": job.owner.id,
            "team": job.owner.team,
            "state": job.state.value,
            "name": job.spec.name,
            "gpu_type": job.spec.resources.gpu_type,
            "pool": job.spec.pool,
            "provider": job.spec.provider,
            "created_at": to_micros(job.created_at),
            "updated_at": to_micros(job.updated_at),
            "document": self._documents.of(job),
        }


class SqlAccounts:
    """Quota accounts by owner and month."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        """Reads many accounts at once."""
        self._transaction.load(ACCOUNTS, keys)

    def find(self, owner_id: str, period: str) -> Account | None:
        """The account, or None."""
        row = self._transaction.get(ACCOUNTS, (owner_id, period))
        return account_of_row(row) if row else None

    def save(self, account: Account) -> None:
        """Stores a new or changed account."""
        row = {name: getattr(account, name) for name in _ACCOUNT_FIELDS}
        if self._transaction.get(ACCOUNTS, (account.owner_id, account.period)) is None:
            self._transaction.insert(ACCOUNTS, row)
        else:
            self._transaction.update(ACCOUNTS, row)


class SqlLedger:
    """Ledger entries, append only."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, entries: Iterable[Entry]) -> None:
        """Appends entries."""
        for entry in entries:
            row = {name: getattr(entry, name) for name in _ENTRY_FIELDS}
            self._transaction.insert(LEDGER, {**row, "at": to_micros(entry.at)})


class SqlEvents:
    """The service's log."""

    def __init__(self, transaction: Transaction, documents: _Documents) -> None:
        self._transaction = transaction
        self._documents = documents

    def append(self, events: Sequence[JobEvent]) -> None:
        """Appends the events of one change."""
        self._transaction.append(
            *(encode_event(event, self._documents.of(event.job)) for event in events)
        )


def account_of_row(row: Any) -> Account:
    """The account that a row holds."""
    return Account(**{name: row[name] for name in _ACCOUNT_FIELDS})


_ACCOUNT_FIELDS = Account.__struct_fields__
_ENTRY_FIELDS = Entry.__struct_fields__
