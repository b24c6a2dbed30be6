"""Costs that were kept lead to the same choices as costs worked out anew."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from random import Random

import pytest

from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.placement.fragmentation import Gradient
from scheduler_service.domain.placement.mix import count
from scheduler_service.domain.placement.ranking import Score
from scheduler_service.domain.placement.rollout import Rollout
from scheduler_service.domain.placement.rules import (
    Clustering,
    LeastAligned,
    LeastLeft,
    MostLeft,
    Packing,
)
from scheduler_service.domain.placement.scored import Cheapest, Rule
from scheduler_service.domain.placement.states import State, fits, state_of
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import Shape, Slice, Slices

SHAPES = [
    Shape(devices=0, cpu=3_000, memory=2_000),
    Shape(milli=250, cpu=1_000, memory=4_000),
    Shape(milli=300, cpu=3_500),
    Shape(milli=700, memory=20_000),
    Shape(devices=1, cpu=2_000),
    Shape(devices=2, cpu=6_000, memory=30_000),
    Shape(devices=4),
    Shape(devices=1, models=("A",), cpu=500),
]
MIX = count(SHAPES * 3 + SHAPES[1:3])
RULES: dict[str, Callable[[], Rule]] = {
    "least_left": LeastLeft,
    "most_left": MostLeft,
    "dot_product": LeastAligned,
    "packing": Packing,
    "clustering": Clustering,
    "fgd": lambda: Gradient(MIX),
    "rollout": lambda: Rollout(MIX, seed=5),
}


class Life:
    """A random history on one cluster: what runs, and which nodes may be used."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.nodes = Nodes()
        self.nodes.note_tenants(())
        self.running: list[tuple[Slices, Shape]] = []
        for _ in range(5):
            self.add()

    def add(self) -> None:
        """One more node."""
        number = len(self.nodes.specs)
        devices, cpu = self.random.choice([(1, 8_000), (4, 0), (4, 24_000), (4, 24_000)])
        model = self.random.choice("AB")
        spec = NodeSpec(f"n{number}", model=model, devices=devices, cpu=cpu, memory=100_000)
        self.nodes.add(spec)

    def questions(self, count: int) -> Iterator[tuple[Shape, int]]:
        """What is asked for, and the nodes that are allowed; things end and come in between."""
        closed = 0
        for _ in range(count):
            if self.running and self.random.random() < 0.45:
                slices, shape = self.running.pop(self.random.randrange(len(self.running)))
                self.nodes.give(slices, shape)
            if self.random.random() < 0.03:
                self.add()
            shape = self.random.choice(SHAPES)
            # What is closed mostly stays so for some questions, as in a pool whose nodes fail.
            if self.random.random() < 0.3:
                bits = self.random.getrandbits(len(self.nodes.specs))
                closed = self.random.choice((0, bits, 1 << self.random.randrange(5)))
            yield shape, self.nodes.open & ~closed

    def start(self, slices: Slices, shape: Shape) -> None:
        """Starts a shape."""
        self.nodes.take(slices, shape)
        self.running.append((slices, shape))


def anew(rule: Rule, nodes: Nodes, shape: Shape, allowed: int) -> Slice | None:
    """The cheapest node and device, by looking at every node."""
    found = [
        (rule.score(state, shape), node)
        for node in each(allowed)
        if fits(state := state_of(nodes, node), shape)
    ]
    if not found:
        return None
    (_, free), node = min(found, key=lambda it: (it[0].cost, it[1]))
    return Cheapest(_Only(rule, free)).choose(nodes, shape, nodes.bit[node])


class _Only:
    """A rule that has decided which device it is."""

    def __init__(self, rule: Rule, free: int) -> None:
        self._rule, self._free = rule, free

    def begin(self, nodes: Nodes) -> None:
        """Nothing."""

    def observe(self, shape: Shape) -> bool:
        """Nothing."""
        return False

    def score(self, state: State, shape: Shape) -> Score:
        """That device."""
        return Score(0, self._free)


@pytest.mark.parametrize("name", RULES)
def test_choices_are_those_of_a_full_search(name: str) -> None:
    """After any history of starts, ends and new nodes, whichever nodes are allowed."""
    for seed in range(6):
        life, rule = Life(seed), RULES[name]()
        placement = Cheapest(rule)
        rule.begin(life.nodes)
        for shape, allowed in life.questions(60):
            slices = placement.place(life.nodes, shape, allowed)
            wanted = anew(rule, life.nodes, shape, allowed)
            assert (wanted and (wanted,)) == slices
            if slices:
                life.start(slices, shape)


@pytest.mark.parametrize("name", ["best_fit", "fgd", "rollout"])
def test_asking_about_a_copy_changes_nothing(name: str) -> None:
    """A trial on a copy of the nodes, on which something else happens, leaves no trace."""
    life, policy = Life(1), Policy(mix=MIX)
    placement, other = PLACEMENTS[name](policy), PLACEMENTS[name](policy)
    for shape, allowed in life.questions(80):
        copy = life.nodes.copy()
        for _ in range(3):
            copy.take(other.place(copy, shape, allowed) or (), shape)
        slices = placement.place(life.nodes, shape, allowed)
        assert slices == other.place(life.nodes, shape, allowed)
        if slices:
            life.start(slices, shape)
    assert len(life.nodes.watchers) == 2, "one for each placement, none for copies"


def test_choices_do_not_depend_on_the_order_of_hash_tables() -> None:
    """Two interpreters with different hash seeds place alike, by every placement."""
    one, other = (_told(hash_seed) for hash_seed in ("1", "2"))
    assert len(PLACEMENTS) == one.count("\n")
    assert one == other


def _told(hash_seed: str) -> str:
    return subprocess.run(
        [sys.executable, __file__],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    ).stdout


def _tell() -> None:
    for name in sorted(PLACEMENTS):
        # Learned from what arrives: the order in which it is kept must not matter either.
        placement, life = PLACEMENTS[name](Policy(seed=3)), Life(3)
        observe = getattr(placement, "observe", None)
        told = []
        for shape, allowed in life.questions(150):
            if observe is not None:
                observe(shape)
            slices = placement.place(life.nodes, shape, allowed)
            told.append(slices)
            if slices:
                life.start(slices, shape)
        print(name, told)


if __name__ == "__main__":
    _tell()
