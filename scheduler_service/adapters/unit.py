"""The unit of work of one command: repositories over the writer's transaction."""

from collections.abc import Iterable
from datetime import datetime

from scheduler_service.adapters.documents import decode_workload, encode
from scheduler_service.adapters.holdings import SqlAllocations, SqlInventory
from scheduler_service.adapters.tables import CANCELLATIONS, PLUMBING, WORKLOADS
from scheduler_service.domain.events import WorkloadEvent
from scheduler_service.domain.workload import Workload
from servicekit.clock import to_micros
from servicekit.idempotency import Requests
from servicekit.statements import Row
from servicekit.transaction import Event, Transaction


class SqlUnitOfWork:
    """What the application's UnitOfWork promises, and the remembered requests."""

    def __init__(self, transaction: Transaction) -> None:
        self.workloads = SqlWorkloads(transaction)
        self.allocations = SqlAllocations(transaction)
        self.inventory = SqlInventory(transaction)
        self.cancellations = SqlCancellations(transaction)
        self.events = SqlEvents(transaction)
        self.requests = Requests(transaction, PLUMBING)


class SqlWorkloads:
    """Workloads as rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self, workload_ids: Iterable[str]) -> None:
        """Reads many at once."""
        self._transaction.load(WORKLOADS, workload_ids)

    def get(self, workload_id: str) -> Workload | None:
        """Returns the workload of this id."""
        row = self._transaction.get(WORKLOADS, workload_id)
        return decode_workload(row["document"]) if row else None

    def add(self, workload: Workload) -> None:
        """Adds a new workload behind all others."""
        arrival = {"arrival": self._transaction.next_revision}
        self._transaction.insert(WORKLOADS, _row(workload) | arrival)

    def replace(self, workload: Workload) -> None:
        """Puts a workload in the place of the one with the same id."""
        self._transaction.update(WORKLOADS, _row(workload))


class SqlCancellations:
    """Early cancellations as rows."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self, workload_ids: Iterable[str]) -> None:
        """Reads many at once."""
        self._transaction.load(CANCELLATIONS, workload_ids)

    def reason(self, workload_id: str) -> str | None:
        """Returns the reason of the cancellation that waits for this id, or None."""
        row = self._transaction.get(CANCELLATIONS, workload_id)
        return row["reason"] if row else None

    def add(self, workload_id: str, reason: str, expires_at: datetime) -> None:
        """Remembers a cancellation, in the place of one that waits for the same id."""
        row = {
            "workload_id": workload_id,
            "reason": reason,
            "expires_at": to_micros(expires_at),
        }
        if self._transaction.get(CANCELLATIONS, workload_id) is None:
            self._transaction.insert(CANCELLATIONS, row)
        else:
            self._transaction.update(CANCELLATIONS, row)

    def forget(self, before: datetime) -> int:
        """Deletes those that expired before a time and returns how many."""
        expired = CANCELLATIONS.c.expires_at < to_micros(before)
        return self._transaction.execute(CANCELLATIONS.delete().where(expired))


class SqlEvents:
    """The event log, written in the command's own transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def append(self, *change: WorkloadEvent, at: datetime) -> None:
        """Appends what happened."""
        micros = to_micros(at)
        self._transaction.append(
            *(Event(event.kind, event.workload_id, encode(event), micros) for event in change)
        )


def _row(workload: Workload) -> Row:
    """All columns but ``arrival``, which never changes."""
    spec, placement = workload.spec, workload.placement
    return {
        "id": spec.id,
        "job_id": spec.job_id,
        "owner_id": spec.owner_id,
        "team": spec.team,
        "pool": placement.pool if placement else spec.pool,
        "state": workload.state.value,
        "document": encode(workload),
    }
