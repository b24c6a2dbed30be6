"""What the application needs of the outside world."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from scheduler_service.domain.answers import Explanation, Load, PoolUse, Quote, Recommendation
from scheduler_service.domain.events import WorkloadEvent
from scheduler_service.domain.last_hour import HourFigures
from scheduler_service.domain.outcome import Outcome
from scheduler_service.domain.output import OutputLine
from scheduler_service.domain.resources import Node, Placement, Pool
from scheduler_service.domain.spec import Program, Simulation, Strategy, WorkloadSpec
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.values import PlainValue, Value


class Workloads(Protocol):
    """All workloads, as one transaction sees them."""

    def load(self, workload_ids: Iterable[str]) -> None:
        """Reads many at once."""

    def get(self, workload_id: str) -> Workload | None:
        """Returns the workload of this id."""

    def add(self, workload: Workload) -> None:
        """Adds a new workload behind all others; the next event appended is that of its arrival."""

    def replace(self, workload: Workload) -> None:
        """Puts a workload in the place of the one with the same id."""


class Allocations(Protocol):
    """Who holds what. Devices and nodes are booked here, and cannot be booked twice."""

    def load(self, allocation_ids: Iterable[str], placements: Iterable[Placement]) -> None:
        """Reads many allocations, and the devices and nodes of many placements, at once."""

    def open(
        self, allocation_id: str, workload_id: str, placement: Placement, now: datetime
    ) -> None:
        """Books a placement for a workload.

        Raises:
            DeviceTaken: some device or node has less free than the placement asks for.
        """

    def end(self, allocation_id: str, placement: Placement, now: datetime) -> None:
        """Gives back what an allocation held."""


class Inventory(Protocol):
    """What there is, as one transaction sees it."""

    def nodes(self) -> Sequence[Node]:
        """Returns every node, retired ones too, in the order of the inventory."""

    def in_use(self) -> frozenset[str]:
        """Returns the ids of the nodes that live allocations hold a part of."""

    def put(self, node: Node, position: int) -> None:
        """Adds a node with all its devices free, or replaces one; its devices stay as they are."""

    def remove(self, node_ids: Sequence[str]) -> None:
        """Removes nodes on which nothing runs."""

    def set_pools(self, pools: Sequence[Pool]) -> None:
        """Replaces what is known of pools beside their nodes."""


class Cancellations(Protocol):
    """Cancellations that came before the workload they are for."""

    def load(self, workload_ids: Iterable[str]) -> None:
        """Reads many at once."""

    def reason(self, workload_id: str) -> str | None:
        """Returns the reason of the cancellation that waits for this id, or None."""

    def add(self, workload_id: str, reason: str, expires_at: datetime) -> None:
        """Remembers a cancellation, in the place of one that waits for the same id."""

    def forget(self, before: datetime) -> int:
        """Deletes those that expired before a time and returns how many."""


DecodeEvent: TypeAlias = Callable[[str, bytes], WorkloadEvent]
"""Returns the event that stands in the log under a kind, as a payload."""


class Events(Protocol):
    """The end of the service's event log."""

    def append(self, *change: WorkloadEvent, at: datetime) -> None:
        """Appends what happened, stored together with the change itself and read as one."""


class UnitOfWork(Protocol):
    """What one command may read and change; all of it is stored, or nothing."""

    @property
    def workloads(self) -> Workloads:
        """The workloads."""

    @property
    def allocations(self) -> Allocations:
        """The allocations, and what they hold."""

    @property
    def inventory(self) -> Inventory:
        """Nodes, devices and pools."""

    @property
    def cancellations(self) -> Cancellations:
        """The early cancellations."""

    @property
    def events(self) -> Events:
        """The event log."""


class Snapshot(Value, frozen=True):
    """Everything that an engine is built from, as it stood at one revision of the log.

    Attributes:
        queued: waiting workloads in the order of their arrival.
        past: workloads that ran and have ended, the latest so many, in the order of their ends.
    """

    revision: int
    nodes: Sequence[Node]
    queued: Sequence[Workload]
    running: Sequence[Workload]
    past: Sequence[Workload] = ()


class WorkloadFilter(Value, frozen=True):
    """Which workloads to list; what is empty does not restrict."""

    states: frozenset[WorkloadState] = frozenset()
    pool: str = ""
    owner_id: str = ""
    team: str = ""
    job_id: str = ""
    node_id: str = ""


class Page(Value, frozen=True):
    """Some workloads in the order of arrival; ``last`` is where the next page begins, if any."""

    workloads: Sequence[Workload]
    last: int | None


class Reader(Protocol):
    """What is on disk, read beside the writer.

    Every method raises Unavailable when the database does not answer.
    """

    async def snapshot(self) -> Snapshot:
        """Returns the state of one moment."""

    async def workload(self, workload_id: str) -> Workload | None:
        """Returns the workload of this id."""

    async def running(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        """Returns those of these workloads that run."""

    async def workloads(self, workload_ids: Sequence[str]) -> Sequence[Workload]:
        """Returns those of these workloads that there are, in any order."""

    async def page(self, wanted: WorkloadFilter, size: int, after: int) -> Page:
        """Returns up to ``size`` workloads that arrived after position ``after``."""

    async def pools(self) -> Sequence[Pool]:
        """Returns what is known of pools beside their nodes."""


class Foresight(Protocol):
    """The engine's live view of what waits.

    Every method raises Unavailable if there is no engine yet.
    """

    async def explain(self, workload_ids: Sequence[str]) -> Sequence[Explanation]:
        """Why workloads wait, in the order of the ids; those that it lacks are left out."""

    async def quote(self, spec: WorkloadSpec) -> Quote:
        """What would become of a workload that came now."""

    async def recommend(self, spec: WorkloadSpec) -> Mapping[Strategy, Recommendation]:
        """The best provider for work that came now, for each strategy.

        Raises:
            NoProvider: none has what is asked for.
        """

    async def load(self, pool: str) -> Load:
        """What waits and runs now in a pool, or, with an empty name, in all."""

    async def pools(self) -> Sequence[PoolUse]:
        """How each pool is used now."""

    def last_hour(self) -> HourFigures:
        """What happened in the hour up to now, since this process began."""


class History(Protocol):
    """The decisions of the past."""

    async def explain(self, workload_id: str, at: datetime) -> Explanation | None:
        """Why a workload waited at a time; None if it neither waited nor ran.

        Raises:
            HistoryExpired: the decisions of that time are not kept.
        """


class Run(PlainValue, frozen=True):
    """What a backend is asked to run, and since when it should have been running."""

    allocation_id: str
    spec: WorkloadSpec
    program: Program
    simulation: Simulation
    placement: Placement
    started_at: datetime


class FinishedRun(PlainValue, frozen=True):
    """A run that ended by itself; ``ran`` is how long it ran, by the backend's measure."""

    run: Run
    outcome: Outcome
    ran: timedelta


class Backend(Protocol):
    """What executes runs. It decides nothing, and knows a run by its allocation's id."""

    async def start(self, runs: Sequence[Run]) -> None:
        """Makes sure that these run. Idempotent: after a restart it is called for all again."""

    async def ran(self, allocation_ids: Sequence[str]) -> Mapping[str, timedelta]:
        """Says how long each has run so far; those that do not run here are left out."""

    async def stop(self, allocation_ids: Sequence[str]) -> Mapping[str, timedelta]:
        """Makes sure that these do not run, and says how long each had run."""

    async def finished(self) -> Sequence[FinishedRun]:
        """Waits until runs have ended by themselves and gives all of them, each once."""

    async def output(self, workload: Workload) -> Sequence[OutputLine]:
        """Gives everything that a workload has written by now, in order."""
