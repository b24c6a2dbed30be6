"""The states of a pool's nodes in order of their cost for one shape."""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.placement.cells import Cell, Cells
from scheduler_service.domain.placement.states import State
from scheduler_service.domain.resources import WHOLE
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
        if self._seen == cells.end:
            return
        if cells.start <= self._seen and cells.end - self._seen <= len(cells.inhabited):
            self._list(cells.log[self._seen - cells.start :], score)
        else:
            self._list(cells.inhabited.values(), score)
        self._seen = cells.end
        if len(self._heap) > 2 * len(cells.inhabited) + _SLACK:
            self._tidy()

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
                cell.withheld = True
        return None

    def _list(self, found: Iterable[Cell], score: Scorer) -> None:
        """Lists the cells that hold the shape, unless they are listed so low already.

        Most cells end here, so the conditions of ``fits`` are spelt out.
        """
        shape, heap, listed = self._shape, self._heap, self._listed
        cpu, memory, devices, milli = shape.cpu, shape.memory, shape.devices, shape.milli
        in_order = bool(heap)
        for cell in found:
            if not cell.members:
                continue
            state = cell.state
            if state.cpu < cpu or state.memory < memory:
                continue
            if milli == WHOLE:
                if state.whole < devices:
                    continue
            elif not state.whole and not (state.shared and state.shared[-1] >= milli):
                continue
            node = cell.lowest
            if listed.get(cell, node + 1) <= node:
                continue
            cost, free = score(state, shape)
            listed[cell] = node
            if in_order:
                heappush(heap, (cost, node, cell.serial, cell, free))
            else:
                heap.append((cost, node, cell.serial, cell, free))
        if not in_order:
            heapify(heap)

    def _readmit(self, allowed: int) -> None:
        """Lists anew, with their lowest nodes, the cells of which not all nodes were allowed."""
        self._allowed = allowed
        for cell, (cost, free) in self._withheld.items():
            if cell.members:
                node = cell.lowest
                self._listed[cell] = node
                heappush(self._heap, (cost, node, cell.serial, cell, free))
        self._withheld.clear()

    def _tidy(self) -> None:
        """Drops entries of cells that are empty or have another entry."""
        listed = self._listed
        self._heap = [it for it in self._heap if it[3].members and listed.get(it[3]) == it[1]]
        self._listed = {it[3]: it[1] for it in self._heap}
        heapify(self._heap)
