"""What it would take on each node to make room for one part of a shape.

A rule that stops others asks the same question again whenever something of that shape does not fit:
on which nodes would stopping whom be enough, and where is that cheapest? The answer for one node
takes a while to work out and changes when a run starts or ends there, ripens, or becomes stoppable
in another way, which happens on thousands of nodes at once when a team begins to borrow.

So nodes are looked at in the order of the least that room there can cost, which is known without
looking at them, and only until no other can be cheaper than the cheapest that was found. What was
found is kept until it may be different.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, merge
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from scheduler_service.domain.preemption.gains import Gains
from scheduler_service.domain.preemption.ripe import Ripe, RipeRuns, Room
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.due import Due
from scheduler_service.domain.scheduling.lines import Line, Walk, sooner
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Job, Shape

MOST = 64
"""Shapes, by whom they may stop, for which offers are kept in one pool."""


class Judge(Protocol):
    """Says which runs may be stopped in favour of a shape, of those that are ripe."""

    def wants(self, sort: Any) -> bool:
        """Whether runs of a sort may be."""

    def among(self, runs: Sequence[Job], now: int) -> tuple[Sequence[Job], int | None]:
        """Those of the runs of a node that may be stopped now, and until when that is sure.

        None: for as long as nothing starts, ends or ripens there.
        """


J = TypeVar("J", bound=Judge)


class Offer(NamedTuple):
    """Whom to stop on one node.

    Attributes:
        free: thousandths of devices that are idle there then.
        runs: whom, in the order in which they are stopped.
        price: what is lost.
        until: when it has to be worked out anew; None: only if something changes.
    """

    free: int
    runs: tuple[Job, ...]
    price: Line
    until: int | None


class Offers(Generic[J]):
    """The offers of all nodes of one pool for one shape, in whose favour some runs may be stopped.

    Attributes:
        shape: what the room is for.
        judge: by whom the runs are judged; see ``judge_anew``.
        ripe: the runs that it judges.
        unsure: nodes known to have no offer, on which stopping more than one can count may help
            all the same: devices that are shared count by thousandths.
    """

    def __init__(self, pool: Pool, ripe: RipeRuns[Any], shape: Shape, judge: J) -> None:
        self.shape = shape
        self.judge = judge
        self.ripe = ripe
        self.unsure = 0
        self._bit = pool.nodes.bit
        self._cost = pool.policy.preemption.cost
        self._changed = ripe.watch()
        self._known: dict[int, Offer] = {}
        self._gains = Gains()
        self._without = 0
        self._due = Due()

    def update(self, now: int) -> None:
        """Forgets what may be different now."""
        self.ripe.update(now)
        self._changed.update(self._due.pop(now))
        for node in self._changed:
            self._known.pop(node, None)
            self._gains.drop(node)
            bit = self._bit[node]
            if self._without & bit:
                self._without ^= bit
                self.unsure &= ~bit
        self._changed.clear()

    def judge_anew(self, nodes: int) -> None:
        """What runs on a set of nodes may be judged in another way now.

        On all others, runs that could not be stopped still cannot.
        """
        self._known.clear()
        self._gains = Gains()
        self._without &= ~nodes
        self.unsure &= ~nodes

    def possible(self) -> int:
        """The set of nodes that have an offer, or have not been looked at."""
        return self.ripe.nodes(self.judge.wants) & ~self._without

    def gains(self, devices: int, usable: int, now: int) -> bool:
        """Whether so many come free if every offer of a set of nodes is taken; no is certain."""
        gains, possible = self._gains, usable & self.possible()
        gains.keep(possible, now)
        for node in each(possible & ~gains.nodes):
            if gains.devices >= devices:
                break
            offer = self._on(node, now)
            if offer is not None:
                gains.add(node, _devices(offer), offer.until)
        return gains.devices >= devices

    def in_order(self, now: int, usable: int) -> Iterator[Offer]:
        """The offers of a set of nodes: those that lose the least first, then the lowest node.

        For a shape that may be split, the least for each device.
        """
        found: list[tuple[int, int, Offer]] = []
        seen: set[int] = set()
        for least, node in self._least(usable & self.possible(), now):
            while found and found[0] < (least, node):
                yield heappop(found)[2]
            if node in seen:
                continue
            seen.add(node)
            offer = self._on(node, now)
            if offer is not None:
                heappush(found, (self._price(offer, now), node, offer))
        while found:
            yield heappop(found)[2]

    def leave(self) -> None:
        """Follows the runs of the pool no more."""
        self.ripe.leave(self._changed)

    def _least(self, nodes: int, now: int) -> Walk:
        """Some nodes in the order of the least that their offers can cost, if they have any."""
        walks = self.ripe.by_price(self.judge.wants, nodes, now)
        return merge(*(_times(self._lacking(room), walk) for room, walk in walks))

    def _lacking(self, room: Room) -> int:
        """Thousandths that have to come free at least; of a shape that may be split, for each."""
        need = min(self.shape.devices, room.devices) * self.shape.milli
        if self.shape.split:
            return WHOLE if need and not room.free else 0
        return max(need - room.free, 0)

    def _price(self, offer: Offer, now: int) -> int:
        price = offer.price.at(now)
        return price * WHOLE // max(1, offer.free) if self.shape.split else price

    def _on(self, node: int, now: int) -> Offer | None:
        """The offer of a node that is possible."""
        offer = self._known.get(node)
        if offer is not None and (offer.until is None or now < offer.until):
            return offer
        ripe = self.ripe.on[node]
        runs, sure = self.judge.among(ripe.runs, now)
        offer = _offer(ripe, _parts(runs, node), self.shape, self._cost, now) if runs else None
        if offer is not None:
            self._known[node] = offer._replace(until=sooner(offer.until, sure))
            return self._known[node]
        self._without |= self._bit[node]
        if runs and ripe.part is not None:
            self.unsure |= self._bit[node]
        self._due.set(node, sure)
        return None


class OffersByShape(Generic[J]):
    """The offers that one rule has made lately in one pool, for each shape and what it may stop."""

    def __init__(self, pool: Pool, sort: Callable[[Job], Hashable | None]) -> None:
        """``sort`` tells runs apart that are judged differently; None: may never be stopped."""
        self._pool = pool
        self._ripe = RipeRuns(pool, sort)
        self._offers: OrderedDict[Hashable, Offers[J]] = OrderedDict()

    def __iter__(self) -> Iterator[Offers[J]]:
        return iter(self._offers.values())

    def get(self, shape: Shape, whom: Hashable, judge: Callable[[], J]) -> Offers[J]:
        """The offers for a shape; ``whom`` tells its judges apart."""
        key = shape, whom
        offers = self._offers.get(key)
        if offers is None:
            offers = self._offers[key] = Offers(self._pool, self._ripe, shape, judge())
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


Parts: TypeAlias = Sequence[tuple[Job, int]]
"""Runs, and the thousandths of devices that each holds on one node."""


def _offer(ripe: Ripe, parts: Parts, shape: Shape, cost: int, now: int) -> Offer | None:
    """Stops the cheapest on one node until one part of the shape fits there.

    None if nothing suffices, and if nobody has to be stopped.
    """
    free, cpu, memory = ripe.idle, ripe.cpu, ripe.memory
    if shape.milli < WHOLE:
        free = max(free, ripe.part or 0)
    need = min(shape.devices, ripe.devices) * shape.milli
    if free + sum(gain for _, gain in parts) < need:
        return None
    lines = [price_line(run, cost, now) for run, _ in parts]
    order = sorted(range(len(parts)), key=lambda at: (lines[at].at(now), -parts[at][0].sequence))
    stopped = []
    for at in order:
        if free >= need and cpu >= shape.cpu and memory >= shape.memory:
            break
        run, gain = parts[at]
        free += gain
        cpu += run.request.shape.cpu
        memory += run.request.shape.memory
        stopped.append(at)
    lacks = free < need or cpu < shape.cpu or memory < shape.memory
    if lacks or not stopped:
        return None
    price = Line(sum(lines[at].slope for at in stopped), sum(lines[at].start for at in stopped))
    runs = tuple(parts[at][0] for at in stopped)
    return Offer(free, runs, price, _same_order([lines[at] for at in order], now))


def _parts(runs: Iterable[Job], node: int) -> Parts:
    return [(run, _part(run, node)) for run in runs]


def _part(run: Job, node: int) -> int:
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


def _times(factor: int, walk: Walk) -> Walk:
    """Values times a number, in order."""
    if not factor:
        return iter(sorted((0, node) for _, node in walk))
    return ((value * factor, node) for value, node in walk)
