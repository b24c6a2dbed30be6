"""Costs of a node by what is free on it alone."""

from scheduler_service.domain.placement.ranking import Score
from scheduler_service.domain.placement.states import State, choices
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.nodes import Nodes, sort_of
from scheduler_service.domain.scheduling.requests import Shape

PERCENT = 100


class Plain:
    """A rule that neither compares a node with others nor learns from what arrives."""

    def begin(self, nodes: Nodes) -> None:
        """Nothing to learn."""

    def observe(self, shape: Shape) -> bool:
        """Nothing to learn."""
        return False


class Sized(Plain):
    """A rule that measures in parts of the largest node's cores and devices."""

    cpu = 1
    milli = 1

    def begin(self, nodes: Nodes) -> None:
        """Finds the largest node."""
        self.cpu = max((spec.cpu for spec in nodes.specs), default=0) or 1
        self.milli = WHOLE * max((spec.devices for spec in nodes.specs), default=0) or 1

    def left(self, state: State, shape: Shape) -> int:
        """What is left of cores and devices, each as a part of ``cpu * milli``."""
        cpu = min(state.cpu, self.cpu) - shape.cpu
        return max(cpu, 0) * self.milli + (state.free - shape.devices * shape.milli) * self.cpu


class LeastLeft(Sized):
    """Best fit: the node with the least of cores and devices left, both with half the weight.

    What is left counts as a part of the largest node, rounded to whole percents, and equal percents
    are a tie, which the lowest node wins; a share goes to the tightest device. "BestFit" of Weng
    et al., "Beware of Fragmentation", USENIX ATC 2023, section 6.1.
    """

    def score(self, state: State, shape: Shape) -> Score:
        """The negative percentage of the largest node that is in use afterwards."""
        both = 2 * self.cpu * self.milli
        used = PERCENT * (both - self.left(state, shape)) // both
        return Score(-used, next(choices(state, shape)))


class MostLeft(Sized):
    """Spread: the node with the most of cores and devices left, both with half the weight.

    Exact, and the lowest node wins a tie; a share goes to the device with the most free.
    """

    def score(self, state: State, shape: Shape) -> Score:
        """What is left afterwards, negative."""
        *_, free = choices(state, shape)
        return Score(-self.left(state, shape), free)


class LeastAligned(Sized):
    """Dot product: the node whose free cores and devices are least along what is asked for.

    The product of what is free and what is asked for, each as a part of the largest node, rounded
    to whole percents; the lowest node wins a tie, and a share goes to the tightest device. After
    Grandl et al., "Multi-resource Packing for Cluster Schedulers", SIGCOMM 2014, section 3.2; the
    smallest product is taken, as "DotProd" of Weng et al., USENIX ATC 2023, section 6.1, does.
    """

    def score(self, state: State, shape: Shape) -> Score:
        """The product in percent, rounded up."""
        cpu, milli = self.cpu, self.milli
        both = 2 * cpu * cpu * milli * milli
        product = min(state.cpu, cpu) * shape.cpu * milli * milli
        product += state.free * shape.devices * shape.milli * cpu * cpu
        return Score(-(PERCENT * (both - product) // both), next(choices(state, shape)))


class Packing(Plain):
    """GPU packing: devices in use first, then idle ones of nodes in use, idle nodes last.

    Scores of 0 to 100: for devices that are in use 100 less a tenth of what they have free in
    percent, at least 50; for nodes in use 50 less the number of idle devices that are taken, at
    least 33; for idle nodes 33 less the number of their devices. The lowest node wins a tie, also
    among all nodes for work without devices. After Weng et al., USENIX ATC 2023, section 6.1
    ("GpuPacking"), and the artifact of that paper for the numbers.
    """

    def score(self, state: State, shape: Shape) -> Score:
        """The negative score."""
        free = next(choices(state, shape))
        if not shape.devices:
            return Score(0, free)
        if state.whole == state.devices:
            return Score(-max(PERCENT // 3 - state.whole, state.whole), free)
        if free == WHOLE:
            return Score(-max(PERCENT // 2 - shape.devices, PERCENT // 3), free)
        return Score(-max(PERCENT - free * PERCENT // WHOLE // 10, PERCENT // 2), free)


class Clustering(Plain):
    """GPU clustering: tasks with the same number of devices together.

    Four classes of nodes, the first preferred: those where only tasks of the same sort run, those
    where such and others run, idle ones, those where only others run. Within one, the node with
    the least of its devices free, in steps of a quarter of a percent of eight devices; the lowest
    node wins a tie, also among all nodes for work without devices. A share goes to the tightest
    device. After Xiao et al., "Gandiva", OSDI 2018, section 4, as "GpuClustering" of Weng et al.,
    USENIX ATC 2023, section 6.1, and the artifact of that paper for the numbers.
    """

    def score(self, state: State, shape: Shape) -> Score:
        """The negative score, 0 to 100."""
        free = next(choices(state, shape))
        if not shape.devices:
            return Score(0, free)
        quarter, size = PERCENT // 4, 8 * WHOLE
        packed = quarter * (size - state.free) // size
        return Score(-(packed + quarter * self._class(state, shape)), free)

    def _class(self, state: State, shape: Shape) -> int:
        if sort_of(shape) in state.tenants:
            return 3 if len(state.tenants) == 1 else 2
        return 0 if state.tenants else 1
