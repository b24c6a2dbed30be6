"""The cheapest node for each shape, whatever the cost, with costs kept between decisions."""

from typing import Protocol

from scheduler_service.domain.placement import gangs
from scheduler_service.domain.placement.cells import Cells
from scheduler_service.domain.placement.ranking import Ranking, Score
from scheduler_service.domain.placement.states import State
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import lowest
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices

_SHAPES = 4_096


class Rule(Protocol):
    """What a node costs."""

    def begin(self, nodes: Nodes) -> None:
        """Learns what nodes there are; asked again when there are more."""

    def observe(self, shape: Shape) -> bool:
        """Takes note of work that arrived; says whether costs are different now."""

    def score(self, state: State, shape: Shape) -> Score:
        """The cost of one node's part of a shape on a node that holds it."""


class _View:
    """What is kept about one pool's nodes."""

    __slots__ = ("cells", "known", "rankings")

    def __init__(self, nodes: Nodes) -> None:
        self.cells = Cells(nodes)
        self.known = 0
        self.rankings: dict[Shape, Ranking] = {}


class Cheapest:
    """Implements ``Placement``: the node where a rule's cost is least, the lowest of several.

    Nodes in the same state cost the same, and a cost depends on nothing else. So each state is
    scored once for a shape, and a decision costs what has changed since the last one.

    Attributes:
        tenants: whether the rule asks which sorts of tasks run on a node.
    """

    def __init__(self, rule: Rule, *, tenants: bool = False) -> None:
        self.tenants = tenants
        self._rule = rule
        # The last two that were asked about, the latest first: a pool's own, and a copy of them.
        self._views: list[_View] = []

    def place(self, nodes: Nodes, shape: Shape, allowed: int) -> Slices | None:
        """The cheapest nodes that hold the shape."""
        if shape.split:
            return gangs.split(self.choose, gangs.emptiest, nodes, shape, allowed)
        if shape.nodes > 1:
            return gangs.gang(self.choose, nodes, shape, allowed)
        part = self.choose(nodes, shape, allowed)
        return None if part is None else (part,)

    def observe(self, shape: Shape) -> None:
        """Takes note of work that arrived."""
        if self._rule.observe(shape):
            for view in self._views:
                view.rankings.clear()

    def choose(self, nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
        """The cheapest node that holds one node's part of the shape."""
        view = self._view(nodes)
        ranking = view.rankings.get(shape)
        if ranking is None:
            if len(view.rankings) >= _SHAPES:
                view.rankings.clear()
            ranking = view.rankings[shape] = Ranking(shape)
        ranking.update(view.cells, self._rule.score)
        best = ranking.best(allowed)
        return None if best is None else _slice(nodes, shape, *best)

    def _view(self, nodes: Nodes) -> _View:
        if not self._views or self._views[0].cells.nodes is not nodes:
            self._turn_to(nodes)
        view = self._views[0]
        if len(nodes.specs) != view.known:
            view.known = len(nodes.specs)
            self._rule.begin(nodes)
            view.rankings.clear()
        view.cells.update()
        return view

    def _turn_to(self, nodes: Nodes) -> None:
        found = next((view for view in self._views if view.cells.nodes is nodes), None)
        views = [found or _View(nodes), *(view for view in self._views if view is not found)]
        for view in views[2:]:
            view.cells.leave()
        self._views = views[:2]


def _slice(nodes: Nodes, shape: Shape, node: int, free: int) -> Slice:
    if shape.milli == WHOLE:
        return Slice(node, lowest(nodes.idle[node], shape.devices))
    if free == WHOLE:
        return Slice(node, lowest(nodes.idle[node], 1), shape.milli)
    device = min(device for device, it in nodes.shared[node].items() if it == free)
    return Slice(node, 1 << device, shape.milli)
