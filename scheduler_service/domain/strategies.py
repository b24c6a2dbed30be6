"""Which kind of device work should go to, where several would do: scores from 0 to 1.

A kind is a device model of a provider in a pool. Among the kinds that could ever hold the work:

cost          the lowest of their prices over this one's; 0 where the price is not known.
performance   this one's speed over the highest of theirs; 0 where the speed is not known.
availability  the part of the kind's devices that is free now; 0 while work waits in its pool.
balanced      the mean of these three.

The kind with the highest score is taken; between equals the better in all together, then the first
in the inventory.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scheduler_service.domain.prices import Money
from scheduler_service.domain.spec import Strategy


class Kind(NamedTuple):
    """A device model of a provider in a pool.

    Attributes:
        price: of one device for one hour; None when it is not known. So is a ``speed`` of 0.
        free: part of its devices that is free now, 0 to 1.
        waiting: whether work waits in the pool.
    """

    pool: str
    provider: str
    model: str
    price: Money | None = None
    speed: int = 0
    free: float = 0.0
    waiting: bool = False


class Scores(NamedTuple):
    """How good a kind is among others, by strategy."""

    cost: float
    performance: float
    availability: float

    @property
    def balanced(self) -> float:
        """All together."""
        return (self.cost + self.performance + self.availability) / 3

    def under(self, strategy: Strategy) -> float:
        """The score under a strategy."""
        score: float = getattr(self, strategy.value)
        return score


class Ranked(NamedTuple):
    """A kind and its score under a strategy."""

    kind: Kind
    score: float


def scores(kinds: Sequence[Kind]) -> list[Scores]:
    """The scores of kinds among each other, in the same order."""
    prices = [kind.price.micros for kind in kinds if kind.price is not None]
    lowest, fastest = min(prices, default=0), max((kind.speed for kind in kinds), default=0)
    return [
        Scores(
            lowest / max(kind.price.micros, 1) if kind.price is not None else 0.0,
            kind.speed / fastest if fastest else 0.0,
            0.0 if kind.waiting else kind.free,
        )
        for kind in kinds
    ]


def ranked(strategy: Strategy, kinds: Sequence[Kind]) -> list[Ranked]:
    """Kinds with their scores under a strategy, the best first."""
    scored = [(kind, each) for kind, each in zip(kinds, scores(kinds), strict=True)]
    scored.sort(key=lambda it: (-it[1].under(strategy), -it[1].balanced))
    return [Ranked(kind, each.under(strategy)) for kind, each in scored]
