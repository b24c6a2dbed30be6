"""Which runs of one pool have had the time that they are guaranteed, kept node by node.

This is the same for every shape that looks for room. Which of these runs may be stopped differs
from one shape to the next, and changes whenever a team begins to borrow: see ``offers``.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from scheduler_service.domain.preemption.guaranteed import past_guarantee
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.lines import Line, NodeValues, Value, Walk, sooner
from scheduler_service.domain.scheduling.nodes import each
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job

S = TypeVar("S", bound=Hashable)

_STEP = 100


class Ripe(NamedTuple):
    """One node on which something may be stopped.

    Attributes:
        runs: those that have had their guaranteed time.
        devices: the node has so many.
        idle: thousandths of its devices that nobody holds.
        part: free thousandths of the freest device that is held in part; None if none is.
        cpu: free thousandths of cores.
        memory: free MiB.
    """

    runs: tuple[Job, ...]
    devices: int
    idle: int
    part: int | None
    cpu: int
    memory: int


class Room(NamedTuple):
    """What tells nodes apart when it is guessed what making room there will cost.

    Attributes:
        free: thousandths of devices that are free for one run at most.
        devices: the node has so many.
    """

    free: int
    devices: int


class RipeRuns(Generic[S]):
    """The runs of one pool that may be stopped by now, as far as their time goes.

    Attributes:
        on: each node with such runs, as it was at the last update.
    """

    def __init__(self, pool: Pool, sort: Callable[[Job], S | None]) -> None:
        """``sort`` tells runs of which one wants to know apart; None: of no interest."""
        self.on: dict[int, Ripe] = {}
        self._pool = pool
        self._sort = sort
        self._cost = pool.policy.preemption.cost
        self._nodes: dict[S, int] = {}
        self._even: dict[Room, int] = {}
        self._rising: NodeValues[Room] = NodeValues(pool.runs.watch(), self._assess)
        self._told: list[set[int]] = []

    def update(self, now: int) -> None:
        """Takes in what has changed."""
        self._rising.update(now)

    def watch(self) -> set[int]:
        """A set to which every node is added that changes from now on; its reader empties it."""
        told: set[int] = set()
        self._told.append(told)
        return told

    def leave(self, told: set[int]) -> None:
        """Adds nothing to a set any more."""
        self._told = [it for it in self._told if it is not told]

    def nodes(self, wanted: Callable[[S], bool]) -> int:
        """The set of nodes with runs of the wanted sorts."""
        found = 0
        for sort, nodes in self._nodes.items():
            if wanted(sort):
                found |= nodes
        return found

    def by_price(self, nodes: int, now: int) -> Iterator[tuple[Room, Walk]]:
        """Some nodes with the least that a thousandth of a device there costs to take back.

        Whoever is stopped loses what it has done since its start, but at most the fixed cost, and
        that for every device. So the run that started last is the cheapest on its node; and where
        all have run for long enough, which is mostly everywhere, all prices are the same.
        """
        cost, bit = self._cost, self._pool.nodes.bit
        for room, members in self._even.items():
            yield room, ((cost, node) for node in each(members & nodes))
        for room, walk in self._rising.walks(now):
            yield room, (entry for entry in walk if nodes & bit[entry[1]])

    def _assess(self, node: int, now: int) -> Value[Room]:
        for told in self._told:
            told.add(node)
        self._forget(node)
        some = [run for run in self._pool.runs.on(node) if self._sort(run) is not None]
        runs, until = past_guarantee(self._pool, some, now)
        if not runs:
            return Value(None, until, Room(0, 0))
        room = self._note(node, runs)
        since, cost = max(run.since for run in runs), self._cost
        if cost and now - since >= cost:
            self._even[room] = self._even.get(room, 0) | self._pool.nodes.bit[node]
            return Value(None, until, room)
        return Value(Line(1, -since), sooner(until, since + cost if cost else None), room)

    def _note(self, node: int, runs: Iterable[Job]) -> Room:
        nodes = self._pool.nodes
        bit = nodes.bit[node]
        for sort in self._sorts(runs):
            self._nodes[sort] = self._nodes.get(sort, 0) | bit
        ripe = self.on[node] = Ripe(
            tuple(runs),
            nodes.specs[node].devices,
            WHOLE * nodes.whole[node],
            max(nodes.shared[node].values(), default=None),
            nodes.cpu[node],
            nodes.memory[node],
        )
        return _room(ripe)

    def _forget(self, node: int) -> None:
        before, bit = self.on.pop(node, None), self._pool.nodes.bit[node]
        if before is not None:
            for sort in self._sorts(before.runs):
                self._nodes[sort] ^= bit
            room = _room(before)
            if self._even.get(room, 0) & bit:
                self._even[room] ^= bit

    def _sorts(self, runs: Iterable[Job]) -> set[S]:
        sorts = (self._sort(run) for run in runs)
        return {sort for sort in sorts if sort is not None}


def _room(ripe: Ripe) -> Room:
    # Hundreds are enough for a guess, and keep the number of lists small.
    return Room(ripe.idle or -(-(ripe.part or 0) // _STEP) * _STEP, ripe.devices)
