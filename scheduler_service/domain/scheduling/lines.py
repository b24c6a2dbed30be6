"""Values of nodes that change steadily with time, kept in order without being worked out anew.

What is left of a run falls by a second in every second, and what stopping it would lose grows. Such
values are straight lines for long stretches: those that rise or fall equally fast keep their order,
so each slope has one sorted list, and all nodes in order are a merge of a few lists. A node is
looked at again only when something changes there or one of its stretches ends.
"""

from collections.abc import Callable, Hashable, Iterator
from heapq import merge
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from sortedcontainers import SortedList

from scheduler_service.domain.scheduling.due import Due


class Line(NamedTuple):
    """The value ``slope * now + start`` at every time before ``until``; None: at all times."""

    slope: int
    start: int
    until: int | None = None

    def at(self, now: int) -> int:
        """The value at a time."""
        return self.slope * now + self.start

    def reaches(self, other: "Line", now: int) -> int | None:
        """From when on it may be as great as one that is greater now; None: never."""
        faster = self.slope - other.slope
        if faster <= 0:
            return None
        return max(now + 1, -((self.start - other.start) // faster))


def sooner(one: int | None, other: int | None) -> int | None:
    """The sooner of two times; None is never."""
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


A = TypeVar("A", bound=Hashable)


class Value(NamedTuple, Generic[A]):
    """What a node is worth.

    Attributes:
        line: its value; without one the node is in no order.
        until: when it has to be worked out anew.
        apart: nodes that differ in this are kept in order apart from each other.
    """

    line: Line | None
    until: int | None
    apart: A


Walk: TypeAlias = Iterator[tuple[int, int]]
"""Values and nodes, the least value first, equals by the number of the node."""


class NodeValues(Generic[A]):
    """The values of some nodes, in order."""

    def __init__(self, changed: set[int], assess: Callable[[int, int], Value[A]]) -> None:
        """Keeps the nodes in order that ``changed`` is told, as often as it is told them.

        It is emptied here; ``assess`` works out the value of a node at a time.
        """
        self._changed = changed
        self._assess = assess
        self._lists: dict[tuple[int, A], SortedList] = {}
        self._place: dict[int, tuple[tuple[int, A], int]] = {}
        self._due = Due()

    def update(self, now: int) -> None:
        """Works out what may have changed since it was last done."""
        changed = self._changed
        changed.update(self._due.pop(now))
        for node in changed:
            self._put(node, self._assess(node, now))
        changed.clear()

    def in_order(self, now: int) -> Iterator[int]:
        """The nodes with a value, whatever keeps them apart."""
        walks = [walk for _, walk in self.walks(now)]
        for _, node in walks[0] if len(walks) == 1 else merge(*walks):
            yield node

    def walks(self, now: int) -> Iterator[tuple[A, Walk]]:
        """The nodes of each list with their values, and what keeps them apart from others."""
        for (slope, apart), entries in self._lists.items():
            yield apart, _walk(slope * now, entries)

    def _put(self, node: int, value: Value[A]) -> None:
        before = self._place.pop(node, None)
        if before is not None:
            key, start = before
            entries = self._lists[key]
            entries.remove((start, node))
            if not entries:
                del self._lists[key]
        if value.line is not None:
            key = value.line.slope, value.apart
            self._lists.setdefault(key, SortedList()).add((value.line.start, node))
            self._place[node] = key, value.line.start
        self._due.set(node, value.until)


def _walk(passed: int, entries: SortedList) -> Walk:
    return ((passed + start, node) for start, node in entries)
