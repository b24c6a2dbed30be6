"""Which nodes are in which state, kept up to date with what changes on them."""

from scheduler_service.domain.placement.states import State, state_of
from scheduler_service.domain.scheduling.bitsets import first
from scheduler_service.domain.scheduling.nodes import Nodes

_KEPT = 1_024


class Cell:
    """The nodes in one state.

    Attributes:
        members: the set of them; a cell without any is not used again.
        lowest: the lowest of them.
        withheld: whether anybody passed over members that were not allowed; then ``lowest`` does
            not tell which member it would come to next.
        serial: number of its making.
    """

    __slots__ = ("lowest", "members", "serial", "state", "withheld")

    def __init__(self, state: State, serial: int) -> None:
        self.state = state
        self.serial = serial
        self.members = 0
        self.lowest = 0
        self.withheld = False

    def change(self, bit: int) -> None:
        """Takes in a node, or lets it go."""
        self.members ^= bit
        self.lowest = first(self.members)


class Cells:
    """All nodes of a pool by their state.

    Attributes:
        inhabited: the cells with members, by state.
        log: cells in which a lower node than before has come, in order, and those in which any has
            come after some were withheld; ``start`` is the number of its first entry. Whoever knows
            an older number has to look at all cells.
    """

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.inhabited: dict[State, Cell] = {}
        self.log: list[Cell] = []
        self.start = 0
        self._cell_of: list[Cell | None] = []
        self._changed = nodes.watch()
        self._serial = 0

    @property
    def end(self) -> int:
        """The number of the log's next entry."""
        return self.start + len(self.log)

    def update(self) -> None:
        """Brings the cells up to date."""
        if not self._changed:
            return
        self._cell_of.extend([None] * (len(self.nodes.specs) - len(self._cell_of)))
        for node in sorted(self._changed):
            self._move(node)
        self._changed.clear()
        if len(self.log) > 4 * len(self.inhabited) + _KEPT:
            self.start += len(self.log)
            self.log.clear()

    def leave(self) -> None:
        """Stops following the nodes."""
        self.nodes.watchers = [it for it in self.nodes.watchers if it is not self._changed]

    def _move(self, node: int) -> None:
        state = state_of(self.nodes, node)
        old = self._cell_of[node]
        bit = self.nodes.bit[node]
        if old is not None:
            if old.state == state:
                return
            old.change(bit)
            if not old.members:
                del self.inhabited[old.state]
        cell = self.inhabited.get(state)
        if cell is None:
            cell = self.inhabited[state] = Cell(state, self._serial)
            self._serial += 1
        if not cell.members or node < cell.lowest or cell.withheld:
            self.log.append(cell)
        cell.change(bit)
        self._cell_of[node] = cell
