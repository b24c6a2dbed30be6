"""How much of what is idle usual tasks could not use, and placement where it grows least."""

from bisect import bisect_right
from collections.abc import Iterable
from math import log
from operator import mul

from scheduler_service.domain.placement.mix import Learned, Task, tasks_of, typical
from scheduler_service.domain.placement.ranking import Score
from scheduler_service.domain.placement.states import State, after, choices
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.requests import Shape

_KEPT = 1 << 17
_MICRO = 1_000_000

THRESHOLDS = tuple(round(_MICRO * WHOLE * log(score / (100 - score))) for score in range(1, 100))
"""By how much fragmentation has to shrink for each score of ``Gradient``, in 1e-6 thousandths."""


class Fragmentation:
    """The expected idle devices of a node that a task cannot use, drawn from some tasks.

    A task that does not fit on the node can use none of them; one that does cannot use devices
    with less free than its share. Tasks without devices use none. (Weng et al., "Beware of
    Fragmentation", USENIX ATC 2023, section 4.2, equations 1 to 3.)

    Tasks that differ in their cores alone are counted together: how many of them have enough cores
    depends on the node's cores only, how much each could use on its devices only, and the sum of
    products of the two is what can be used.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        tasks = list(tasks)
        self.weight = sum(task.weight for task in tasks)
        sorts = sorted({(it.devices, it.milli, it.models) for it in tasks if it.devices})
        self._sorts = [(devices, milli) for devices, milli, _ in sorts]
        self._tasks = {
            sort: [it for it in tasks if (it.devices, it.milli, it.models) == sort]
            for sort in sorts
        }
        self._steps = sorted({task.cpu for task in tasks})
        self._known: dict[tuple[str, int, int, tuple[int, ...]], int] = {}
        self._enough: dict[tuple[str, int], tuple[int, ...]] = {}
        self._usable: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}

    def amount(self, state: State) -> int:
        """Thousandths of devices, times ``weight``."""
        step = self.step(state.cpu)
        key = (state.model, step, state.whole, state.shared)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[key] = self._work_out(state, step)
        return known

    def step(self, cpu: int) -> int:
        """How many different amounts of cores that tasks ask for are not more than so many."""
        return bisect_right(self._steps, cpu)

    def _work_out(self, state: State, step: int) -> int:
        enough = self._enough.get((state.model, step))
        if enough is None:
            enough = self._enough[state.model, step] = self._count(state)
        devices = (state.whole, state.shared)
        usable = self._usable.get(devices)
        if usable is None:
            if len(self._usable) >= _KEPT:
                self._usable.clear()
            usable = self._usable[devices] = self._use(state)
        used: int = sum(map(mul, enough, usable[1:]))
        return usable[0] * self.weight - used

    def _count(self, state: State) -> tuple[int, ...]:
        """Of each sort, the weight of the tasks that have enough cores, on devices of this sort."""
        return tuple(
            sum(it.weight for it in alike if it.cpu <= state.cpu and it.accepts(state.model))
            for alike in self._tasks.values()
        )

    def _use(self, state: State) -> tuple[int, ...]:
        """What is free, and what a task of each sort could use of it."""
        total = state.free
        usable = [total]
        for devices, milli in self._sorts:
            able = state.whole + sum(free >= milli for free in state.shared)
            small = sum(free for free in state.shared if free < milli)
            usable.append(total - small if able >= devices else 0)
        return tuple(usable)


class Gradient:
    """Fragmentation gradient descent: the node where fragmentation grows least.

    The change by which the fragmentation of a node shrinks, in devices, becomes a score, the
    integer below ``100 / (1 + exp(-change))``, and the best score is taken; of several devices of
    one node the tightest with that score, of several nodes the lowest. The typical tasks are the
    most frequent ones that together are 95% of the mix; a mix that is not given is learned from
    what has arrived. "FGD" of Weng et al., USENIX ATC 2023, section 4.3 and algorithm 1; the
    score is that of the paper's artifact. The comparison is with integers, and exact.
    """

    def __init__(self, mix: tuple[tuple[Shape, int], ...] = ()) -> None:
        self._learned = Learned(mix)
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
        """The negative score of 0 to 100."""
        step = self._fragmentation.step
        model, _, cpu, _, whole, shared, _ = state
        # Nothing else of the two has an influence.
        key = (model, step(cpu), step(cpu - shape.cpu), whole, shared, shape.devices, shape.milli)
        known = self._scores.get(key)
        if known is None:
            if len(self._scores) >= _KEPT:
                self._scores.clear()
            known = self._scores[key] = self._score(state, shape)
        return known

    def _score(self, state: State, shape: Shape) -> Score:
        before = self._fragmentation.amount(state)
        best = Score(1, 0)
        for free in choices(state, shape):
            change = before - self._fragmentation.amount(after(state, shape, free))
            cost = -bisect_right(self._thresholds, change)
            if cost < best.cost:
                best = Score(cost, free)
        return best

    def _begin(self) -> None:
        self._fragmentation = Fragmentation(typical(tasks_of(self._learned.mix, self._size)))
        weight = self._fragmentation.weight
        self._thresholds = [-(-threshold * weight // _MICRO) for threshold in THRESHOLDS]
        self._scores: dict[tuple[str, int, int, int, tuple[int, ...], int, int], Score] = {}
