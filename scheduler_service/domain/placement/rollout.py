"""Placement that looks ahead: the node on which the least of what is idle will stay idle."""

from bisect import bisect_left, bisect_right, insort
from hashlib import blake2b
from typing import TypeAlias

from scheduler_service.domain.placement.fragmentation import Fragmentation
from scheduler_service.domain.placement.mix import Learned, Task, by_demand, tasks_of
from scheduler_service.domain.placement.ranking import Score
from scheduler_service.domain.placement.states import State, after, choices
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape

STREAMS = 32
LENGTH = 50
CORES = 1_000
MEMORY = 16_384
_KEPT = 1 << 17

Arrival: TypeAlias = tuple[int, int, int, int]
"""Devices, share of each, cores, memory."""


class Remainder:
    """What stays idle of a node's devices, on average, when usual tasks keep arriving.

    A number of streams of tasks, drawn once from a mix, are offered to the node one after the
    other; each task starts if it fits, on the tightest device, and none ends. What is then left of
    the devices is the remainder. Cores are rounded down to whole ones and memory to 16 GiB, so
    that like nodes are worked out once.

    The streams are a systematic sample of the mix in order of what tasks ask for, dealt in turn,
    so that each stream has its part of every sort; their order in a stream is that of hashes.
    """

    def __init__(self, tasks: list[Task], seed: int) -> None:
        self._dealt = _deal(tasks, seed)
        self._shares = sorted({task.milli for task in tasks})
        self._streams: dict[tuple[str, int], list[list[Arrival]]] = {}
        self._known: dict[State, int] = {}
        self._least = min((task.demand for task in tasks), default=0)

    def amount(self, state: State) -> int:
        """Thousandths of devices, summed over the streams."""
        cpu, memory = state.cpu // CORES * CORES, state.memory // MEMORY * MEMORY
        # How many devices it has, and who runs there, makes no difference.
        alike = State(state.model, 0, cpu, memory, state.whole, state.shared)
        known = self._known.get(alike)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[alike] = self._offer(alike)
        return known

    def streams(self, model: str, most: int) -> list[list[Arrival]]:
        """The tasks that devices of a model could take, with ``most`` free on one of them."""
        key = (model, bisect_right(self._shares, most))
        streams = self._streams.get(key)
        if streams is None:
            streams = self._streams[key] = [
                [it[:4] for it in stream if it.milli <= most and it.accepts(model)]
                for stream in self._dealt
            ]
        return streams

    def _offer(self, state: State) -> int:
        most = WHOLE if state.whole else state.shared[-1] if state.shared else 0
        streams = self.streams(state.model, most)
        return sum(_left(state, stream, self._least) for stream in streams)


class Rollout:
    """Rollouts: the node where the remainder grows least, and with it the fragmentation.

    The cost of a start is by how much the node's ``Remainder`` grows, plus a quarter of by how
    much its ``Fragmentation`` does, in which tasks count by the devices they ask for and none is
    left out. The remainder sees several tasks ahead what will not fill up, for want of cores, of
    memory or of tasks as small as what is left; fragmentation, weighted by demand, keeps nodes
    whole for tasks of many devices. Integers, exact; of several devices the tightest, of several
    nodes the lowest wins a tie. Nothing that would fit is turned away.

    What is known is the mix of work: given, or learned from what has arrived; never what comes
    next. Judging a decision by playing on with a simple rule is a rollout (Bertsekas and Castañón,
    "Rollout algorithms for stochastic scheduling problems", Journal of Heuristics 5, 1999); the
    rule here is first come, first served on the one node, since other nodes do not change.
    """

    def __init__(self, mix: tuple[tuple[Shape, int], ...] = (), seed: int = 0) -> None:
        self._learned = Learned(mix)
        self._seed = seed
        self._size = 0
        self._begin()

    def begin(self, nodes: Nodes) -> None:
        """Finds the largest node, which runs over several nodes fill."""
        size = max((spec.devices for spec in nodes.specs), default=0)
        if size != self._size:
            self._size = size
            self._begin()

    def observe(self, shape: Shape) -> bool:
        """Takes note of work that arrived; says whether costs are different now."""
        if self._learned.observe(shape):
            self._begin()
            return True
        return False

    def score(self, state: State, shape: Shape) -> Score:
        """By how much remainder and fragmentation grow."""
        costs = (
            Score(self._cost(after(state, shape, free)), free) for free in choices(state, shape)
        )
        best = min(costs, key=_cost_of)
        return Score(best.cost - self._cost(state), best.free)

    def _begin(self) -> None:
        tasks = by_demand(tasks_of(self._learned.mix, self._size))
        self._fragmentation = Fragmentation(tasks)
        self._remainder = Remainder(
            [it._replace(weight=it.weight // it.demand) for it in tasks], self._seed
        )

    def _cost(self, state: State) -> int:
        """Remainder + fragmentation / 4, times 4 x streams x the fragmentation's weight."""
        remainder = 4 * self._fragmentation.weight * self._remainder.amount(state)
        return remainder + STREAMS * self._fragmentation.amount(state)


def _cost_of(score: Score) -> int:
    return score.cost


def _deal(tasks: list[Task], seed: int) -> list[list[Task]]:
    """The streams: a systematic sample of the tasks, dealt in turn and put in order by hashes."""
    dealt: list[list[tuple[bytes, Task]]] = [[] for _ in range(STREAMS)]
    total = sum(task.weight for task in tasks)
    sampled, passed = 0, 0
    for task in tasks:
        passed += task.weight
        while (2 * sampled + 1) * total < 2 * passed * STREAMS * LENGTH:
            turn = blake2b(f"{seed}/{sampled}".encode(), digest_size=8).digest()
            dealt[sampled % STREAMS].append((turn, task))
            sampled += 1
    return [[task for _, task in sorted(stream)] for stream in dealt]


def _left(state: State, stream: list[Arrival], least: int) -> int:
    """What is left of a node's devices after a stream of tasks."""
    _, _, cpu, memory, whole, shared, _ = state
    free = list(shared)
    total = WHOLE * whole + sum(free)
    for devices, milli, cores, space in stream:
        if cores > cpu or space > memory:
            continue
        if milli == WHOLE:
            if devices > whole:
                continue
            whole -= devices
        else:
            at = bisect_left(free, milli)
            if at < len(free):
                rest = free.pop(at) - milli
            elif whole:
                whole -= 1
                rest = WHOLE - milli
            else:
                continue
            insort(free, rest)
        cpu -= cores
        memory -= space
        total -= devices * milli
        if total < least:
            break
    return total
