"""Which runs of one pool have had the time that they are guaranteed, kept node by node.

This is the same for every shape that looks for room. Which of these runs may be stopped differs
from one shape to the next, and changes whenever a team begins to borrow: see ``offers``.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from scheduler_service.domain.preemption.guaranteed import past_guarantee
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.due import Due
from scheduler_service.domain.scheduling.lines import Line, NodeOrder, Walk, sooner
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job

S = TypeVar("S", bound=Hashable)
Wanted: TypeAlias = Callable[[S], bool]
"""Whether a sort of runs is asked for."""

_STEP = 100
_SPARSE = 16
"""Of so many nodes at most one is asked for where looking for each is faster than a walk."""


class Room(NamedTuple):
    """What tells nodes apart when it is guessed what making room there will cost.

    Attributes:
        free: thousandths of devices that are free for one run at most.
        devices: the node has so many.
    """

    free: int
    devices: int


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

    @property
    def room(self) -> Room:
        """What is free, in hundreds, which is enough for a guess and keeps the lists few."""
        return Room(self.idle or -(-(self.part or 0) // _STEP) * _STEP, self.devices)


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
        self._changed = pool.running.runs.watch()
        self._due = Due()
        self._nodes: dict[S, int] = {}
        self._even: dict[Room, int] = {}
        self._rising: dict[S, NodeOrder[Room]] = {}
        self._told: list[set[int]] = []

    def update(self, now: int) -> None:
        """Takes in what has changed."""
        self._changed.update(self._due.pop(now))
        for node in self._changed:
            self._forget(node)
            self._due.set(node, self._note(node, now))
        for told in self._told:
            told |= self._changed
        self._changed.clear()

    def watch(self) -> set[int]:
        """A set to which every node is added that changes from now on; its reader empties it."""
        told: set[int] = set()
        self._told.append(told)
        return told

    def leave(self, told: set[int]) -> None:
        """Adds nothing to a set any more."""
        self._told = [it for it in self._told if it is not told]

    def nodes(self, wanted: Wanted[S]) -> int:
        """The set of nodes with runs of the wanted sorts."""
        found = 0
        for sort, nodes in self._nodes.items():
            if wanted(sort):
                found |= nodes
        return found

    def by_price(self, wanted: Wanted[S], nodes: int, now: int) -> Iterator[tuple[Room, Walk]]:
        """Some nodes with the least that a thousandth of a device there costs to take back.

        Whoever is stopped loses what it has done since its start, but at most the fixed cost, and
        that for every device. So of each sort the run that started last is the cheapest on its
        node; and where all have run for long enough, which is mostly everywhere, all prices are the
        same. A node may come once for each sort.
        """
        cost, rising = self._cost, nodes
        for room, members in self._even.items():
            rising &= ~members
            yield room, ((cost, node) for node in each(members & nodes))
        orders = [order for sort, order in self._rising.items() if wanted(sort)]
        if rising.bit_count() * _SPARSE < sum(len(order) for order in orders):
            yield from self._one_by_one(wanted, rising, now)
        else:
            bit = self._pool.nodes.bit
            for order in orders:
                for room, walk in order.walks(now):
                    yield room, (entry for entry in walk if rising & bit[entry[1]])

    def _one_by_one(self, wanted: Wanted[S], nodes: int, now: int) -> Iterator[tuple[Room, Walk]]:
        """As ``by_price``, for few nodes of which not all have run for long enough."""
        entries: dict[Room, list[tuple[int, int]]] = {}
        for node in each(nodes):
            ripe = self.on[node]
            since = max(at for sort, at in self._latest(ripe.runs).items() if wanted(sort))
            entries.setdefault(ripe.room, []).append((self._price(since, now).at(now), node))
        return ((room, iter(sorted(found))) for room, found in entries.items())

    def _note(self, node: int, now: int) -> int | None:
        """Takes in what may be stopped on a node; returns until when that is so."""
        some = [run for run in self._pool.running.runs.on(node) if self._sort(run) is not None]
        runs, until = past_guarantee(self._pool, some, now)
        if not runs:
            return until
        ripe = self.on[node] = self._look(node, runs)
        latest, bit = self._latest(runs), self._pool.nodes.bit[node]
        for sort in latest:
            self._nodes[sort] = self._nodes.get(sort, 0) | bit
        lines = {sort: self._price(since, now) for sort, since in latest.items()}
        if not any(line.slope for line in lines.values()):
            self._even[ripe.room] = self._even.get(ripe.room, 0) | bit
        else:
            for sort, line in lines.items():
                self._rising.setdefault(sort, NodeOrder()).put(node, line, ripe.room)
                until = sooner(until, line.until)
        return until

    def _forget(self, node: int) -> None:
        before, bit = self.on.pop(node, None), self._pool.nodes.bit[node]
        if before is None:
            return
        even = bool(self._even.get(before.room, 0) & bit)
        if even:
            self._even[before.room] ^= bit
        for sort in self._latest(before.runs):
            self._nodes[sort] ^= bit
            if not even:
                self._rising[sort].drop(node)

    def _price(self, since: int, now: int) -> Line:
        """What a thousandth of a device loses whose run started at a time."""
        cost = self._cost
        if cost and now - since >= cost:
            return Line(0, cost)
        return Line(1, -since, since + cost if cost else None)

    def _latest(self, runs: Iterable[Job]) -> dict[S, int]:
        """When the last run of each sort started."""
        latest: dict[S, int] = {}
        for run in runs:
            sort = self._sort(run)
            if sort is not None:
                latest[sort] = max(run.since, latest.get(sort, run.since))
        return latest

    def _look(self, node: int, runs: Iterable[Job]) -> Ripe:
        nodes = self._pool.nodes
        return Ripe(
            runs=tuple(runs),
            devices=nodes.specs[node].devices,
            idle=WHOLE * nodes.whole[node],
            part=max(nodes.shared[node].values(), default=None),
            cpu=nodes.cpu[node],
            memory=nodes.memory[node],
        )
