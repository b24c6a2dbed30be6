"""Values of nodes that change steadily with time, kept in order without being worked out anew.

What is left of a run falls by a second in every second, and what stopping it would lose grows. Such
values are straight lines for long stretches: those that rise or fall equally fast keep their order,
so each slope has one sorted list, and all nodes in order are a merge of a few lists. A node is
looked at again only when something changes there or one of its stretches ends.
"""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush, merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from sortedcontainers import SortedList

from scheduler_service.domain.resources import WHOLE

_SLACK = 1_000


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


class Value(NamedTuple):
    """What a node is worth: a line, whose values are divided by ``per`` devices unless that is 0.

    ``until`` is when it has to be worked out anew. Without a line the node is in no order.
    """

    line: Line | None
    until: int | None
    per: int = 0


Assess: TypeAlias = Callable[[int, int], Value]
"""Works out the value of a node at a time."""


class NodeValues:
    """The values of some nodes, in order."""

    def __init__(self, changed: set[int], assess: Assess) -> None:
        """``changed`` is told the nodes whose value may have changed; it is emptied here."""
        self._changed = changed
        self._assess = assess
        self._lists: dict[tuple[int, int], SortedList] = {}
        self._place: dict[int, tuple[tuple[int, int], int]] = {}
        self._until: dict[int, int] = {}
        self._due: list[tuple[int, int]] = []

    def update(self, now: int) -> None:
        """Works out what may have changed since it was last done."""
        due, until = self._due, self._until
        while due and due[0][0] <= now:
            at, node = heappop(due)
            if until.get(node) == at:
                self._changed.add(node)
        if self._changed:
            for node in self._changed:
                self._put(node, self._assess(node, now))
            self._changed.clear()
            if len(due) > 2 * len(until) + _SLACK:
                self._due = [(at, node) for node, at in until.items()]
                heapify(self._due)

    def in_order(self, now: int) -> Iterator[int]:
        """The nodes with a value, the least first, equals by their number."""
        walks = [_walk(key, entries, now) for key, entries in self._lists.items()]
        for _, node in walks[0] if len(walks) == 1 else merge(*walks):
            yield node

    def _put(self, node: int, value: Value) -> None:
        before = self._place.pop(node, None)
        if before is not None:
            key, start = before
            entries = self._lists[key]
            entries.remove((start, node))
            if not entries:
                del self._lists[key]
        if value.line is not None:
            key = value.line.slope, value.per
            self._lists.setdefault(key, SortedList()).add((value.line.start, node))
            self._place[node] = key, value.line.start
        if value.until is None:
            self._until.pop(node, None)
        elif self._until.get(node) != value.until:
            self._until[node] = value.until
            heappush(self._due, (value.until, node))


def _walk(key: tuple[int, int], entries: SortedList, now: int) -> Iterator[tuple[int, int]]:
    """The values and nodes of one list, in order; what is equal after a division by node."""
    slope, per = key
    passed = slope * now
    if not per:
        return ((passed + start, node) for start, node in entries)
    divided = (((passed + start) * WHOLE // per, node) for start, node in entries)
    return (entry for _, equals in groupby(divided, itemgetter(0)) for entry in sorted(equals))
