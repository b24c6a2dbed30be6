"""The states of a pool's nodes in order of their cost for one shape."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.placement.cells import Cell, Cells
from scheduler_service.domain.placement.states import State, fits
from scheduler_service.domain.scheduling.nodes import first
from scheduler_service.domain.scheduling.requests import Shape

_SLACK = 64


class Score(NamedTuple):
    """What it costs to start a shape on a node in some state.

    Attributes:
        cost: the least is taken.
        free: for a share, what the device has free on which it is put.
    """

    cost: int
    free: int


Scorer: TypeAlias = Callable[[State, Shape], Score]
"""What scores a state that holds a shape."""

_Entry: TypeAlias = tuple[int, int, int, Cell, int]
"""Cost, lowest node, the cell's number, the cell, and ``Score.free``."""


class Ranking:
    """The cells that hold a shape, the cheapest first, of several the one with the lowest node.

    A heap whose entries are put right when they come to its top. Each cell that holds the shape
    has one valid entry, with a node that is not above the cell's lowest allowed one; only what
    became inhabited since the last question is scored.
    """

    __slots__ = ("_allowed", "_heap", "_listed", "_seen", "_shape", "_withheld")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._heap: list[_Entry] = []
        self._listed: dict[Cell, int] = {}
        self._seen = -1
        self._allowed = 0
        self._withheld: dict[Cell, Score] = {}

    def update(self, cells: Cells, score: Scorer) -> None:
        """Takes in which cells are inhabited."""
        new = cells.end - max(self._seen, 0)
        if self._seen < cells.start or new > len(cells.inhabited) + _SLACK:
            self._rebuild(cells, score)
        elif self._seen < cells.end:
            for cell in cells.log[self._seen - cells.start :]:
                self._list(cell, score)
            if len(self._heap) > 2 * len(cells.inhabited) + _SLACK:
                self._tidy()
        self._seen = cells.end

    def best(self, allowed: int) -> tuple[int, int] | None:
        """The node to take among ``allowed``, and ``Score.free``; None if none holds the shape."""
        if allowed != self._allowed:
            self._readmit(allowed)
        heap, listed = self._heap, self._listed
        while heap:
            cost, node, serial, cell, free = heap[0]
            if listed.get(cell) != node:
                heappop(heap)
                continue
            members = cell.members & allowed
            if members:
                lowest = (members & -members).bit_length() - 1
                if lowest == node:
                    return node, free
                heapreplace(heap, (cost, lowest, serial, cell, free))
                listed[cell] = lowest
            else:
                heappop(heap)
                del listed[cell]
            if cell.members and cell.members != members:
                self._withheld[cell] = Score(cost, free)
        return None

    def _rebuild(self, cells: Cells, score: Scorer) -> None:
        self._heap.clear()
        self._listed.clear()
        self._withheld.clear()
        for cell in cells.inhabited.values():
            self._list(cell, score, in_order=False)
        heapify(self._heap)

    def _list(self, cell: Cell, score: Scorer, *, in_order: bool = True) -> None:
        if not cell.members or not fits(cell.state, self._shape):
            return
        node = first(cell.members)
        if self._listed.get(cell, node + 1) <= node:
            return
        cost, free = score(cell.state, self._shape)
        self._listed[cell] = node
        entry = (cost, node, cell.serial, cell, free)
        if in_order:
            heappush(self._heap, entry)
        else:
            self._heap.append(entry)

    def _readmit(self, allowed: int) -> None:
        """Lists anew, with their lowest nodes, the cells of which not all nodes were allowed."""
        self._allowed = allowed
        for cell, (cost, free) in self._withheld.items():
            if cell.members:
                node = first(cell.members)
                self._listed[cell] = node
                heappush(self._heap, (cost, node, cell.serial, cell, free))
        self._withheld.clear()

    def _tidy(self) -> None:
        """Drops entries of cells that are empty or have another entry."""
        listed = self._listed
        self._heap = [it for it in self._heap if it[3].members and listed.get(it[3]) == it[1]]
        self._listed = {it[3]: it[1] for it in self._heap}
        heapify(self._heap)
