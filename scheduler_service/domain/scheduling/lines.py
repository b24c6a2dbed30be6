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

Walk: TypeAlias = Iterator[tuple[int, int]]
"""Values and nodes, the least value first, equals by the number of the node."""


class NodeOrder(Generic[A]):
    """Nodes in the order of their values; those that differ in something are kept apart."""

    def __init__(self) -> None:
        self._lists: dict[tuple[int, A], SortedList] = {}
        self._place: dict[int, tuple[tuple[int, A], int]] = {}

    def __len__(self) -> int:
        return len(self._place)

    def put(self, node: int, line: Line, apart: A) -> None:
        """Gives a node a value, in place of the one that it had."""
        self.drop(node)
        key = line.slope, apart
        entries = self._lists.get(key)
        if entries is None:
            entries = self._lists[key] = SortedList()
        entries.add((line.start, node))
        self._place[node] = key, line.start

    def drop(self, node: int) -> None:
        """Takes the value of a node away, if it has one."""
        place = self._place.pop(node, None)
        if place is not None:
            key, start = place
            entries = self._lists[key]
            entries.remove((start, node))
            if not entries:
                del self._lists[key]

    def walks(self, now: int) -> Iterator[tuple[A, Walk]]:
        """What is kept apart, and the values and nodes of each in order."""
        for (slope, apart), entries in self._lists.items():
            yield apart, _walk(slope * now, entries)


class Value(NamedTuple):
    """What a node is worth: without a line it is in no order.

    Attributes:
        until: when it has to be worked out anew.
    """

    line: Line | None
    until: int | None


Assess: TypeAlias = Callable[[int, int], Value]
"""Works out the value of a node at a time."""


class NodeValues:
    """The values of some nodes, in order and up to date."""

    def __init__(self, changed: set[int], assess: Assess) -> None:
        """``changed`` is told the nodes whose value may have changed; it is emptied here."""
        self._changed = changed
        self._assess = assess
        self._order: NodeOrder[None] = NodeOrder()
        self._due = Due()

    def update(self, now: int) -> None:
        """Works out what may have changed since it was last done."""
        self._changed.update(self._due.pop(now))
        for node in self._changed:
            line, until = self._assess(node, now)
            if line is None:
                self._order.drop(node)
            else:
                self._order.put(node, line, None)
            self._due.set(node, until)
        self._changed.clear()

    def in_order(self, now: int) -> Iterator[int]:
        """The nodes with a value, the least first, equals by their number."""
        walks = [walk for _, walk in self._order.walks(now)]
        for _, node in walks[0] if len(walks) == 1 else merge(*walks):
            yield node


def _walk(passed: int, entries: SortedList) -> Walk:
    return ((passed + start, node) for start, node in entries)
