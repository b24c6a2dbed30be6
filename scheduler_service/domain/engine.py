"""The port of the scheduling engine: a deterministic state machine that decides and does nothing.

The engine is told what happened and, when asked, says what should happen next. It keeps its own
indexes, reads no clock and has no randomness, so that the same events give the same decisions.
What it has decided it counts as done: a start that then does not take place is told to it as the
cancellation of that workload.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from scheduler_service.domain.answers import Explanation, Load, PoolUse, Quote, Recommendation
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.resources import Node, Placement
from scheduler_service.domain.scheduling.decisions import RefusalReason
from scheduler_service.domain.scheduling.events import End
from scheduler_service.domain.scheduling.explain import Forecasts
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from servicekit.values import Value


class NodeUp(Value, frozen=True):
    """A node is there, or a retired one is still there."""

    node: Node


class Submitted(Value, frozen=True):
    """A workload waits, since a time."""

    spec: WorkloadSpec
    at: datetime


class Placed(Value, frozen=True):
    """A workload runs already, since a time: told while the engine's state is rebuilt.

    ``arrived`` is when it began to wait; None where that makes no difference.
    """

    spec: WorkloadSpec
    placement: Placement
    since: datetime
    arrived: datetime | None = None


class Began(Value, frozen=True):
    """A workload had started, be it over by now or not: told while the engine's state is rebuilt.

    Such starts and ends are told in order of their times, before what runs and waits now.
    """

    spec: WorkloadSpec
    pool: str
    at: datetime
    arrived: datetime


class Ended(Value, frozen=True):
    """It had ended."""

    workload_id: str
    at: datetime
    end: End


class Cancelled(Value, frozen=True):
    """A workload neither waits nor runs any more. Unknown ids are passed over."""

    workload_id: str


class Finished(Value, frozen=True):
    """A running workload has ended. Unknown ids are passed over."""

    workload_id: str


EngineEvent: TypeAlias = NodeUp | Submitted | Placed | Began | Ended | Cancelled | Finished


class Start(Value, frozen=True):
    """Start this workload there."""

    workload_id: str
    placement: Placement


class Refuse(Value, frozen=True):
    """End this workload: it can never run here."""

    workload_id: str
    reason: RefusalReason
    message: str


class Preempt(Value, frozen=True):
    """Stop this running workload in favour of another; it is over, and its job goes on anew.

    Attributes:
        preemptor_id: in whose favour; empty when its node was lost.
        lost_milli_gpu_seconds: work that it loses, as far as the policy reckons with any.
    """

    workload_id: str
    preemptor_id: str
    cause: PreemptionCause
    lost_milli_gpu_seconds: int = 0


class Decisions(Value, frozen=True):
    """What should happen next, the preemptions first; starts are in the order of decision."""

    starts: Sequence[Start] = ()
    refusals: Sequence[Refuse] = ()
    preemptions: Sequence[Preempt] = ()

    def __bool__(self) -> bool:
        return bool(self.starts or self.refusals or self.preemptions)


class Engine(Protocol):
    """Decides what starts where."""

    def apply(self, event: EngineEvent) -> None:
        """Takes note of something that happened."""

    def plan(self, now: datetime) -> Decisions:
        """Says what should happen next, and counts it as done."""

    def wake(self) -> datetime | None:
        """When to plan again though nothing happens; None: not before something does."""

    def pools(self) -> Sequence[PoolUse]:
        """How each pool is used, by name."""

    def load(self, pool: str) -> Load:
        """What waits and runs now in a pool, or, with an empty name, in all."""

    def provider_of(self, workload_id: str) -> str:
        """The provider on whose nodes a workload runs; empty when it does not run."""

    def explain(
        self, workload_ids: Sequence[str], now: datetime, forecasts: Forecasts | None = None
    ) -> Steps[Sequence[Explanation]]:
        """Why workloads wait, in the order of the ids; those not known are left out.

        Predicting takes longer than all the rest: ``forecasts`` are used again, and added to.
        """

    def quote(self, spec: WorkloadSpec, now: datetime) -> Steps[Quote]:
        """What would become of a workload that came now; of one that waits, as it stands."""

    def recommend(
        self, spec: WorkloadSpec, now: datetime
    ) -> Steps[Mapping[Strategy, Recommendation]]:
        """The best provider for work that came now, for each strategy.

        Raises:
            NoProvider: none has what is asked for.
        """
