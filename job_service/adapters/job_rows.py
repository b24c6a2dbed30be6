"""Jobs as rows, and what hangs on them: labels, dependencies, earlier runs, counts by state."""

from collections.abc import Iterable
from datetime import datetime

from job_service.adapters.archive import archived_row, job_of_row
from job_service.adapters.documents import decode_job, encode_job, encode_run
from job_service.adapters.tables import (
    ARCHIVED_JOBS,
    JOB_COUNTS,
    JOB_DEPENDENCIES,
    JOB_LABELS,
    JOBS,
    RUNS,
)
from job_service.domain.errors import JobNotFound
from job_service.domain.job import Job
from job_service.domain.runs import Run
from job_service.domain.states import JobState
from servicekit.clock import to_micros
from servicekit.statements import Row
from servicekit.transaction import Transaction

EVERYBODY = "all"
_COLUMNS = {state.value: state.lower() for state in JobState}


class Documents:
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

    def __init__(self, transaction: Transaction, documents: Documents) -> None:
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
        """Stores a new job with its labels and dependencies."""
        row = self._row(job)
        self._transaction.insert(JOBS, row)
        self._count(row, 1)
        for key, value in job.spec.labels.items():
            label = {
                "job_id": job.id,
                "key": key,
                "value": value,
                "owner_id": job.owner.id,
                "created_at": row["created_at"],
            }
            self._transaction.insert(JOB_LABELS, label)
        for on_id in {it.job_id for it in job.spec.dependencies}:
            self._transaction.insert(JOB_DEPENDENCIES, {"job_id": job.id, "on_id": on_id})

    def save(self, job: Job) -> None:
        """Stores a changed job."""
        row, before = self._row(job), self._transaction.get(JOBS, job.id)
        self._transaction.update(JOBS, row)
        if before and before["state"] != row["state"]:
            self._count(before, -1)
            self._count(row, 1)

    def archive(self, jobs: Iterable[Job]) -> None:
        """Takes jobs that ended out of everything but the archive."""
        ids = []
        for job in jobs:
            row = self._row(job)
            self._count(row, -1)
            self._transaction.insert(ARCHIVED_JOBS, archived_row(job.id, row["document"]))
            ids.append(job.id)
        for table, column in ((JOBS, "id"), (JOB_LABELS, "job_id"), (JOB_DEPENDENCIES, "job_id")):
            self._transaction.execute(table.delete().where(table.c[column].in_(ids)))

    def archived(self, job_id: str) -> Job | None:
        """An archived job, or None."""
        row = self._transaction.get(ARCHIVED_JOBS, job_id)
        return job_of_row(row["document"]) if row else None

    def keep_run(self, job_id: str, run: Run) -> None:
        """Stores a run that its job has left behind."""
        row = {"id": run.id, "job_id": job_id, "attempt": run.attempt}
        self._transaction.insert(RUNS, {**row, "document": encode_run(run)})

    def _count(self, row: Row, change: int) -> None:
        """Counts a job in its state or, with -1, no longer."""
        state = _COLUMNS[row["state"]]
        for scope in scopes_of(row["owner_id"], row["team"]):
            self._transaction.add(JOB_COUNTS, scope, state, change)

    def _row(self, job: Job) -> Row:
        due_at = _due_at(job)
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
            "array_id": job.array_id,
            "due_at": due_at and to_micros(due_at),
        }


def scopes_of(owner_id: str, team: str) -> list[str]:
    """The rows that count a job of this owner."""
    return [f"user:{owner_id}", *([f"team:{team}"] if team else []), EVERYBODY]


def _due_at(job: Job) -> datetime | None:
    """When time alone lets the job go on."""
    if job.state is JobState.APPROVED:
        return job.spec.not_before
    return job.held_until
