"""What it would take on each node to make room for one part of a shape, kept while things change.

A rule that stops others asks the same question again whenever something of that shape does not fit:
on which nodes would stopping whom be enough, and where is that cheapest? The answer for one node
changes only when a run starts or ends there, when a run has had its guaranteed time or becomes
stoppable by the rule in another way, and when the runs of the node change places in the order of
their prices. The nodes where none of that happened are not looked at again.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.lines import Line, NodeValues, Value, sooner
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Shape

MOST = 64
"""Shapes, by whom they may stop, for which offers are kept in one pool."""


class Judge(Protocol):
    """Says which runs may be stopped in favour of a shape."""

    def among(self, node: int, runs: Iterable[Job], now: int) -> tuple[list[Job], int | None]:
        """Those of the runs of a node that may be stopped now, and until when that is sure.

        None: for as long as nothing starts or ends there.
        """


J = TypeVar("J", bound=Judge)


class Offer(NamedTuple):
    """Whom to stop on one node; ``free`` thousandths of devices are idle there then."""

    free: int
    runs: tuple[Job, ...]


class Offers(Generic[J]):
    """The offers of all nodes of one pool for one shape, in whose favour some runs may be stopped.

    Attributes:
        shape: what the room is for.
        judge: by whom the runs are judged; see ``judge_anew``.
        able: the set of nodes with an offer.
        unsure: the set of nodes without one on which stopping more than one can count may help:
            devices that are shared count by thousandths.
        gain: devices that would become free if every offer were taken, or more.
    """

    def __init__(self, pool: Pool, shape: Shape, judge: J) -> None:
        self.able = self.unsure = self.gain = 0
        self.shape = shape
        self._pool = pool
        self.judge = judge
        self._changed = pool.runs.watch()
        self._values = NodeValues(self._changed, self._assess)
        self._by_node: dict[int, Offer] = {}

    def update(self, now: int) -> None:
        """Brings the offers up to date."""
        self._values.update(now)

    def in_order(self, now: int, usable: int) -> Iterator[Offer]:
        """The offers of a set of nodes: those that lose the least first, then the lowest node.

        For a shape that may be split, the least for each device.
        """
        bit = self._pool.nodes.bit
        for node in self._values.in_order(now):
            if usable & bit[node]:
                yield self._by_node[node]

    def judge_anew(self, nodes: Iterable[int]) -> None:
        """The judgements on what runs on some nodes may be others now."""
        self._changed.update(nodes)

    def offering(self, team: str) -> Iterator[int]:
        """The nodes on which some run of a team would be stopped."""
        for node, offer in self._by_node.items():
            if any(run.request.team == team for run in offer.runs):
                yield node

    def leave(self) -> None:
        """Follows the runs of the pool no more."""
        self._pool.runs.leave(self._changed)

    def _assess(self, node: int, now: int) -> Value:
        runs, until = self.judge.among(node, self._pool.runs.on(node), now)
        offer, line, turn = self._offer(node, runs, now) if runs else _NOTHING
        self._note(node, offer, bool(runs))
        per = max(1, offer.free) if offer and self.shape.split else 0
        return Value(line, sooner(until, turn), per)

    def _note(self, node: int, offer: Offer | None, stoppable: bool) -> None:
        bit, before = self._pool.nodes.bit[node], self._by_node.pop(node, None)
        if before is not None:
            self.gain -= _devices(before)
        if offer is not None:
            self._by_node[node] = offer
            self.gain += _devices(offer)
        self.able = self.able & ~bit | (bit if offer else 0)
        unsure = stoppable and not offer and bool(self._pool.nodes.shared[node])
        if unsure or self.unsure & bit:
            self.unsure = self.unsure & ~bit | (bit if unsure else 0)

    def _offer(
        self, node: int, runs: Sequence[Job], now: int
    ) -> tuple[Offer | None, Line | None, int | None]:
        """Stops the cheapest on one node until one part of the shape fits there.

        With the offer comes what it loses, and until when its runs are in this order. There is none
        if nothing suffices, and none if nobody has to be stopped.
        """
        nodes, shape = self._pool.nodes, self.shape
        free = WHOLE * nodes.whole[node]
        if shape.milli < WHOLE:
            free = max([free, *nodes.shared[node].values()])
        cpu, memory = nodes.cpu[node], nodes.memory[node]
        need = min(shape.devices, nodes.specs[node].devices) * shape.milli
        gains = [_part(run, node) for run in runs]
        if free + sum(gains) < need:
            return _NOTHING
        cost = self._pool.policy.preemption.cost
        lines = [price_line(run, cost, now) for run in runs]
        order = sorted(range(len(runs)), key=lambda at: (lines[at].at(now), -runs[at].sequence))
        stopped = []
        for at in order:
            if free >= need and cpu >= shape.cpu and memory >= shape.memory:
                break
            free += gains[at]
            cpu += runs[at].request.shape.cpu
            memory += runs[at].request.shape.memory
            stopped.append(at)
        lacks = free < need or cpu < shape.cpu or memory < shape.memory
        if lacks or not stopped:
            return _NOTHING
        line = Line(sum(lines[at].slope for at in stopped), sum(lines[at].start for at in stopped))
        offer = Offer(free, tuple(runs[at] for at in stopped))
        return offer, line, _same_order([lines[at] for at in order], now)


class OffersByShape(Generic[J]):
    """The offers that one rule has made lately in one pool, for each shape and what it may stop."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._offers: OrderedDict[Hashable, Offers[J]] = OrderedDict()

    def __iter__(self) -> Iterator[Offers[J]]:
        return iter(self._offers.values())

    def get(self, shape: Shape, whom: Hashable, judge: Callable[[], J]) -> Offers[J]:
        """The offers for a shape; ``whom`` tells its judges apart."""
        key = shape, whom
        offers = self._offers.get(key)
        if offers is None:
            offers = self._offers[key] = Offers(self._pool, shape, judge())
            if len(self._offers) > MOST:
                self._offers.popitem(last=False)[1].leave()
        else:
            self._offers.move_to_end(key)
        return offers


def price_line(run: Job, cost: int, now: int) -> Line:
    """Work lost by stopping a run, in microseconds times thousandths of a device.

    Where stopping loses nothing, what runs shortest is stopped first.
    """
    milli = run.request.shape.total_milli
    if cost and now - run.since >= cost:
        return Line(0, cost * milli)
    return Line(milli, -run.since * milli, run.since + cost if cost else None)


def _part(run: Job, node: int) -> int:
    """Thousandths of devices that a run holds on one node."""
    for where, devices, milli in run.slices:
        if where == node:
            return devices.bit_count() * milli
    raise AssertionError("it runs there")


def _same_order(lines: Sequence[Line], now: int) -> int | None:
    """Until when lines that are in order now stay so."""
    until = None
    for place, line in enumerate(lines):
        until = sooner(until, line.until)
        if place and lines[place - 1].slope > line.slope:
            until = sooner(until, lines[place - 1].reaches(line, now))
    return until


def _devices(offer: Offer) -> int:
    """Devices that its runs hold anywhere, those that they share as if they were theirs."""
    shapes = (run.request.shape for run in offer.runs)
    return sum(shape.nodes * shape.devices for shape in shapes)


_NOTHING: tuple[Offer | None, Line | None, int | None] = (None, None, None)
