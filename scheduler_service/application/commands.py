"""Everything that changes state; each command takes many items and one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import ClassVar

from scheduler_service.application.ports import FinishedRun, UnitOfWork
from scheduler_service.domain import workload as verbs
from scheduler_service.domain.engine import Refuse
from scheduler_service.domain.errors import WorkloadDiffers
from scheduler_service.domain.events import WorkloadEvent
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Placement
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.errors import Failure
from servicekit.values import PlainValue, Value

CANCELLATION_KEPT = timedelta(days=7)
_UNKNOWN_TIME = timedelta()


class Enqueued(Value, frozen=True):
    """What became of one workload: as it stands, whether it was known, or why it is refused."""

    workload: Workload
    known: bool = False
    failure: Failure | None = None


class EnqueueWorkloads(Value, frozen=True):
    """Puts workloads into the queue in the order given; one that is known changes nothing."""

    name: ClassVar[str] = "workload.enqueue"
    is_batch: ClassVar[bool] = True
    workloads: Sequence[Workload]
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[EnqueueWorkloads]") -> None:
        """Reads what is known of all ids of the group."""
        ids = [workload.spec.id for command in commands for workload in command.workloads]
        unit.workloads.load(ids)
        unit.cancellations.load(ids)

    def run(self, unit: UnitOfWork) -> list[Enqueued]:
        """One result for each workload, in the same order."""
        return [self._enqueue(unit, workload) for workload in self.workloads]

    def _enqueue(self, unit: UnitOfWork, workload: Workload) -> Enqueued:
        known = unit.workloads.get(workload.spec.id)
        if known is not None:
            return _repeated(known, workload)
        change: list[WorkloadEvent] = [verbs.queued(workload)]
        reason = unit.cancellations.reason(workload.spec.id)
        if reason is not None:
            workload, event = verbs.cancel(workload, reason, _UNKNOWN_TIME, self.now)
            change.append(event)
        unit.workloads.add(workload)
        unit.events.append(*change, at=self.now)
        return Enqueued(workload)


class CancelKind(Enum):
    """What became of one workload that was to be cancelled."""

    CANCELLED = auto()
    ALREADY_ENDED = auto()
    NOT_FOUND = auto()


class CancelResult(Value, frozen=True):
    """One workload's answer."""

    workload_id: str
    kind: CancelKind


class CancelWorkloads(Value, frozen=True):
    """Ends waiting and running workloads, and remembers ids that are not known yet.

    ``ran`` says for each running one's allocation how long it has run. One that started only after
    that was measured counts as not having run.
    """

    name: ClassVar[str] = "workload.cancel"
    workload_ids: Sequence[str]
    reason: str
    ran: Mapping[str, timedelta]
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[CancelWorkloads]") -> None:
        """Reads the group's workloads, and what the running ones hold."""
        ids = [workload_id for command in commands for workload_id in command.workload_ids]
        unit.workloads.load(ids)
        unit.cancellations.load(ids)
        known = (unit.workloads.get(workload_id) for workload_id in ids)
        running = [workload for workload in known if workload and workload.placement]
        unit.allocations.load(
            [workload.allocation_id for workload in running],
            [workload.placement for workload in running if workload.placement],
        )

    def run(self, unit: UnitOfWork) -> list[CancelResult]:
        """One result for each id, in the same order."""
        return [CancelResult(each, self._cancel(unit, each)) for each in self.workload_ids]

    def _cancel(self, unit: UnitOfWork, workload_id: str) -> CancelKind:
        workload = unit.workloads.get(workload_id)
        if workload is None:
            unit.cancellations.add(workload_id, self.reason, self.now + CANCELLATION_KEPT)
            return CancelKind.NOT_FOUND
        if workload.state is WorkloadState.CANCELLED:
            return CancelKind.CANCELLED
        if workload.state.ended:
            return CancelKind.ALREADY_ENDED
        ran = self.ran.get(workload.allocation_id, _UNKNOWN_TIME)
        cancelled, event = verbs.cancel(workload, self.reason, ran, self.now)
        if workload.placement is not None:
            unit.allocations.end(workload.allocation_id, workload.placement, self.now)
        unit.workloads.replace(cancelled)
        unit.events.append(event, at=self.now)
        return CancelKind.CANCELLED


class PlannedStart(PlainValue, frozen=True):
    """A decision to start, with the id of the allocation to be made and a device's hourly price."""

    workload_id: str
    allocation_id: str
    placement: Placement
    price: Money | None = None


class PlannedStop(Value, frozen=True):
    """A decision to preempt, with how long the run has run by its backend's measure."""

    workload_id: str
    preemptor_id: str
    cause: PreemptionCause
    ran: timedelta


class Dispatched(Value, frozen=True):
    """What became of decisions: the workloads that run now, and those that had ended before."""

    started: Sequence[Workload]
    skipped: Sequence[str]
    preempted: Sequence[str] = ()


class StartWorkloads(Value, frozen=True):
    """Carries out an engine's decisions; a workload that no longer waits is skipped.

    What is preempted gives its devices back first; what has ended by itself meanwhile has already.

    Raises:
        DeviceTaken: the engine gave out what is not free; nothing is changed.
    """

    name: ClassVar[str] = "workload.start"
    is_batch: ClassVar[bool] = True
    starts: Sequence[PlannedStart]
    refusals: Sequence[Refuse]
    now: datetime
    stops: Sequence[PlannedStop] = ()

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[StartWorkloads]") -> None:
        """Reads the workloads, devices and nodes of all decisions."""
        starts = [start for command in commands for start in command.starts]
        stops = [stop.workload_id for command in commands for stop in command.stops]
        refused = [refusal.workload_id for command in commands for refusal in command.refusals]
        unit.workloads.load([start.workload_id for start in starts] + refused + stops)
        known = (unit.workloads.get(workload_id) for workload_id in stops)
        running = [workload for workload in known if workload]
        held = [workload.placement for workload in running if workload.placement]
        unit.allocations.load(
            [workload.allocation_id for workload in running],
            [start.placement for start in starts] + held,
        )

    def run(self, unit: UnitOfWork) -> Dispatched:
        """What runs now."""
        preempted = [stop.workload_id for stop in self.stops if self._stop(unit, stop)]
        started, skipped = [], []
        for start in self.starts:
            workload = unit.workloads.get(start.workload_id)
            if workload is None or workload.state is not WorkloadState.QUEUED:
                skipped.append(start.workload_id)
            else:
                started.append(self._start(unit, workload, start))
        for refusal in self.refusals:
            self._refuse(unit, refusal)
        return Dispatched(started, skipped, preempted)

    def _stop(self, unit: UnitOfWork, stop: PlannedStop) -> bool:
        workload = unit.workloads.get(stop.workload_id)
        if workload is None or workload.state is not WorkloadState.RUNNING:
            return False
        if workload.placement is not None:
            unit.allocations.end(workload.allocation_id, workload.placement, self.now)
        workload, event = verbs.preempt(workload, stop.preemptor_id, stop.cause, stop.ran, self.now)
        unit.workloads.replace(workload)
        unit.events.append(event, at=self.now)
        return True

    def _start(self, unit: UnitOfWork, workload: Workload, start: PlannedStart) -> Workload:
        allocation_id, placement = start.allocation_id, start.placement
        workload, event = verbs.start(workload, allocation_id, placement, self.now, start.price)
        unit.allocations.open(allocation_id, workload.spec.id, placement, self.now)
        unit.workloads.replace(workload)
        unit.events.append(event, at=self.now)
        return workload

    def _refuse(self, unit: UnitOfWork, refusal: Refuse) -> None:
        workload = unit.workloads.get(refusal.workload_id)
        if workload is None or workload.state is not WorkloadState.QUEUED:
            return
        workload, event = verbs.refuse(workload, refusal.reason, refusal.message, self.now)
        unit.workloads.replace(workload)
        unit.events.append(event, at=self.now)


class FinishWorkloads(Value, frozen=True):
    """Ends workloads whose runs have ended; a stale result is dropped.

    A result is stale when its workload no longer runs under that allocation.
    """

    name: ClassVar[str] = "workload.finish"
    is_batch: ClassVar[bool] = True
    runs: Sequence[FinishedRun]
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[FinishWorkloads]") -> None:
        """Reads the workloads and what they hold."""
        runs = [finished.run for command in commands for finished in command.runs]
        unit.workloads.load([run.spec.id for run in runs])
        unit.allocations.load([run.allocation_id for run in runs], [run.placement for run in runs])

    def run(self, unit: UnitOfWork) -> int:
        """How many results were stale."""
        return sum(not self._finish(unit, finished) for finished in self.runs)

    def _finish(self, unit: UnitOfWork, finished: FinishedRun) -> bool:
        run = finished.run
        workload = unit.workloads.get(run.spec.id)
        if workload is None or workload.state is not WorkloadState.RUNNING:
            return False
        if workload.allocation_id != run.allocation_id:
            return False
        workload, event = verbs.finish(workload, finished.outcome, finished.ran, self.now)
        unit.allocations.end(run.allocation_id, run.placement, self.now)
        unit.workloads.replace(workload)
        unit.events.append(event, at=self.now)
        return True


class ForgetCancellations(Value, frozen=True):
    """Deletes early cancellations whose time is over."""

    name: ClassVar[str] = "cancellations.forget"
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """How many were deleted."""
        return unit.cancellations.forget(self.now)


def _repeated(known: Workload, workload: Workload) -> Enqueued:
    if known.same_content(workload):
        return Enqueued(known, known=True)
    message = f"Workload {workload.spec.id} is known with other content."
    return Enqueued(known, failure=WorkloadDiffers(message))
