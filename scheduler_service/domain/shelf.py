"""Nodes that are alike, indexed so that the first one with enough free is found without a scan.

A tree of maxima stands over the nodes in the order of the inventory: each inner entry knows the
most that any node below it has free. Looking for the first fit leaves out every branch that cannot
hold it, and a change of one node touches only the entries above it.
"""

from scheduler_service.domain.nodes import Need, NodeBook

_NOTHING = (0, 0, 0, 0)


class Shelf:
    """The nodes of one pool that have the same provider and the same sort of devices."""

    def __init__(self) -> None:
        self.books: list[NodeBook] = []
        self._leaves = 1
        self._most: list[tuple[int, int, int, int]] = [_NOTHING] * 2

    def add(self, book: NodeBook) -> int:
        """Adds a node at the end and returns its position."""
        self.books.append(book)
        if len(self.books) > self._leaves:
            self._grow()
        self.changed(len(self.books) - 1)
        return len(self.books) - 1

    def changed(self, position: int) -> None:
        """Brings the index up to date with what is free on one node."""
        book = self.books[position]
        if book.node.retired:
            return
        most = self._most
        at = self._leaves + position
        most[at] = (book.whole, book.largest, book.cores, book.memory)
        while at > 1:
            at >>= 1
            left, right = most[2 * at], most[2 * at + 1]
            higher = (
                left[0] if left[0] > right[0] else right[0],
                left[1] if left[1] > right[1] else right[1],
                left[2] if left[2] > right[2] else right[2],
                left[3] if left[3] > right[3] else right[3],
            )
            if higher == most[at]:
                return
            most[at] = higher

    def fitting(self, need: Need, nodes: int) -> list[int] | None:
        """The first ``nodes`` positions where the need fits now, or None if there are too few."""
        found: list[int] = []
        position = -1
        while len(found) < nodes:
            position = self._next_fit(position + 1, need)
            if position < 0:
                return None
            found.append(position)
        return found

    def could_hold(self, need: Need, nodes: int) -> bool:
        """Whether so many nodes would hold the need if nothing ran."""
        fitting = (book for book in self.books if not book.node.retired and book.fits_empty(need))
        return sum(1 for _ in fitting) >= nodes

    def _next_fit(self, start: int, need: Need) -> int:
        """The first position from ``start`` on where the need fits now; -1 if there is none."""
        if start == self._leaves:
            return -1
        at = _highest(self._leaves + start)
        while True:
            if self._may_hold(at, need):
                if at < self._leaves:
                    at *= 2
                    continue
                if need.labels <= self.books[at - self._leaves].labels:
                    return at - self._leaves
            at = _highest(at + 1)
            if at == 1:
                return -1

    def _may_hold(self, at: int, need: Need) -> bool:
        whole, largest, cores, memory = self._most[at]
        return (
            need.whole <= whole
            and need.share <= largest
            and need.cores <= cores
            and need.memory <= memory
        )

    def _grow(self) -> None:
        """Doubles the room for nodes; every entry is computed anew."""
        self._leaves *= 2
        self._most = [_NOTHING] * (2 * self._leaves)
        for position in range(len(self.books)):
            self.changed(position)


def _highest(at: int) -> int:
    """The highest entry whose nodes begin with the same one; the root's number, 1, past the end."""
    while at % 2 == 0:
        at //= 2
    return at
