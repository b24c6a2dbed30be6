"""Jobs that must end before another may start."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from job_service.domain.errors import DependencyCycle
from servicekit.values import Value


class Condition(StrEnum):
    """When a dependency is met: once the other job is completed, or has ended in whatever way."""

    AFTER_OK = "AFTER_OK"
    AFTER_ANY = "AFTER_ANY"


class Dependency(Value, frozen=True):
    """A job that must end first: one that exists, or for now the place of one in the same batch."""

    job_id: str
    condition: Condition = Condition.AFTER_OK
    batch_index: int | None = None


class Met(StrEnum):
    """How far a dependency is."""

    YES = "YES"
    NOT_YET = "NOT_YET"
    NEVER = "NEVER"


def how_far(condition: Condition, state: str | None) -> Met:
    """How far a dependency on a job in this state is.

    A job that is kept no longer met it: had it not, what depends on it would have ended with it.
    """
    if state in (None, "COMPLETED"):
        return Met.YES
    if state not in ("FAILED", "REJECTED", "CANCELLED"):
        return Met.NOT_YET
    return Met.YES if condition is Condition.AFTER_ANY else Met.NEVER


def order(dependencies: Mapping[int, Iterable[int]]) -> Sequence[int]:
    """The places of a batch in an order in which each comes after those that it depends on.

    Raises:
        DependencyCycle: some would wait for each other.
    """
    try:
        return list(TopologicalSorter(dependencies).static_order())
    except CycleError as error:
        raise DependencyCycle(error.args[1]) from None
