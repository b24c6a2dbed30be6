"""The kinds of device that there are, how good each is now, and which work should prefer."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.resources import WHOLE, ResourceType
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.fits import could_hold, labelled, suits
from scheduler_service.domain.scheduling.requests import SECOND, KindName, Shape
from scheduler_service.domain.spec import Strategy
from scheduler_service.domain.strategies import Kind, ranked

FRESH = SECOND
"""How old what is known of free devices may be: looking costs a look at every node."""

_SHAPES = 10_000

_Free: TypeAlias = dict[KindName, tuple[float, bool]]


class _Seen(NamedTuple):
    """What was free at a time, by kind, and whether work waited in its pool."""

    at: int
    free: _Free


class Kinds:
    """The device models of all providers in all pools."""

    def __init__(self, engine: Engine, prices: PriceList, speeds: Mapping[str, int]) -> None:
        """Makes it over an engine, whose nodes have still to be told by ``add``."""
        self._engine = engine
        self._prices = prices
        self._speeds = speeds
        self._nodes: dict[str, NodeSpec] = {}
        self._names: dict[Shape, tuple[KindName, ...]] = {}
        self._seen = _Seen(-FRESH, {})
        self._orders: dict[tuple[Shape, Strategy], tuple[KindName, ...]] = {}

    def add(self, node: NodeSpec) -> None:
        """A node is there."""
        self._nodes[node.id] = node
        self._forget()

    def remove(self, node_id: str) -> None:
        """A node gets nothing new any more."""
        self._nodes.pop(node_id, None)
        self._forget()

    def able(self, shape: Shape, at: int) -> list[Kind]:
        """The kinds that could ever hold a shape, in the inventory's order, as they are now."""
        self._refresh(at)
        found: list[Kind] = []
        for name in self._able(shape):
            pool, provider, model = name
            free, waiting = self._seen.free.get(name, (1.0, False))
            price, speed = self._prices.of(provider, model), self._speeds.get(model, 0)
            found.append(Kind(pool, provider, model, price, speed, free, waiting))
        return found

    def preferred(self, shape: Shape, strategy: Strategy, at: int) -> tuple[KindName, ...]:
        """The kinds that could hold a shape, the best first; none where there is no choice.

        Models that are asked for in an order of preference keep it, whatever the strategy.
        """
        if shape.resource_type is ResourceType.CPU or len(self._able(shape)) < 2:
            return ()
        self._refresh(at)
        order = self._orders.get((shape, strategy))
        if order is None:
            best = [kind for kind, _ in ranked(strategy, self.able(shape, at))]
            if shape.ranked:
                best.sort(key=lambda kind: shape.models.index(kind.model))
            order = tuple((kind.pool, kind.provider, kind.model) for kind in best)
            self._orders[shape, strategy] = order
        return order

    def _forget(self) -> None:
        self._names.clear()
        self._orders.clear()

    def _refresh(self, at: int) -> None:
        """Looks again at what is free, if the last look is too old."""
        if at - self._seen.at >= FRESH:
            self._seen = _Seen(at, self._look())
            self._orders.clear()

    def _able(self, shape: Shape) -> tuple[KindName, ...]:
        """Worked out once for each shape: it depends on what there is, not on what is free."""
        names = self._names.get(shape)
        if names is None:
            if len(self._names) >= _SHAPES:
                self._names.clear()
            names = self._names[shape] = self._search(shape)
        return names

    def _search(self, shape: Shape) -> tuple[KindName, ...]:
        groups: dict[KindName, list[NodeSpec]] = {}
        for node in self._nodes.values():
            here = shape.pool in ("", node.pool)
            if here and labelled(shape, node) and suits(shape, node):
                groups.setdefault((node.pool, node.provider, node.model), []).append(node)
        return tuple(name for name, nodes in groups.items() if could_hold(shape, nodes))

    def _look(self) -> _Free:
        found: _Free = {}
        for pool in self._engine.pools.values():
            nodes, waiting = pool.nodes, pool.queue.size > 0
            counts: dict[KindName, tuple[int, int]] = {}
            for number in each(nodes.member):
                spec = nodes.specs[number]
                name = (pool.name, spec.provider, spec.model)
                free, devices = counts.get(name, (0, 0))
                free += WHOLE * nodes.whole[number] + sum(nodes.shared[number].values())
                counts[name] = free, devices + spec.devices
            for name, (free, devices) in counts.items():
                found[name] = (free / (WHOLE * devices) if devices else 1.0), waiting
        return found
