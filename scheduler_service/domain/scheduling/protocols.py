"""What a policy is made of: small objects that the planner asks."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.lines import Line
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Job, Key, Request, Shape, Slices

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.pool import Pool


class Order(Protocol):
    """Which job goes first."""

    def key(self, job: Job, now: int) -> Key:
        """Where a job stands, smaller first.

        Asked when it begins to wait, and for what runs when it might be stopped in favour of
        others. ``job.attained(now)`` is what it has been served, ``job.expected`` what it is
        expected to need in all. Keys of one order are comparable with each other.
        """

    def lines(self, job: Job, now: int) -> Sequence[Line]:
        """The parts of the key of what runs, each for as long as it rises or falls as now."""


class Placement(Protocol):
    """Which nodes and devices a job gets."""

    def place(self, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
        """Where ``shape`` is put among the nodes of the set ``allowed``, or None.

        Changes nothing. None means that it does not fit there now, and that it will not before
        ``nodes.freed`` changes.
        """


class Victim(NamedTuple):
    """A running job that has to go, and by which rule."""

    job: Job
    rule: PreemptionRule


class Preemption(Protocol):
    """Who makes room for whom."""

    def victims(self, pool: "Pool", job: Job, now: int) -> Sequence[Victim]:
        """Whom to stop so that a waiting ``job``, which does not fit, fits; empty for nobody.

        Changes nothing.
        """

    def wake(self, pool: "Pool", job: Job, now: int) -> int | None:
        """When the answer for ``job`` may change though nothing happens; None for never."""


class Rules(NamedTuple):
    """What a pool asks.

    Attributes:
        before_shares: leading parts of a key that decide before fair shares do.
    """

    order: Order
    placement: Placement
    preemption: Preemption | None
    before_shares: int


class Prediction(NamedTuple):
    """How long a run will take: in the mean, what half and what one of ten exceed; microseconds."""

    expected: int
    p50: int
    p90: int


EVERYONE = "everyone"
"""Said in place of a kin when every prediction has moved."""


class Predictor(Protocol):
    """Expects durations from the runs that have ended before, and from nothing else."""

    def kin(self, request: Request) -> Hashable:
        """Whom it resembles; what has the same kin always has the same prediction."""

    def predict(self, request: Request) -> Prediction | None:
        """How long it will run; None as long as nothing is known."""

    def learn(self, request: Request, served: int, now: int) -> Hashable | None:
        """Takes note of a run that has ended by itself after ``served`` of service.

        Returns the kin whose prediction has moved so far that what waits of it should be asked
        about again, ``EVERYONE``, or None.
        """
