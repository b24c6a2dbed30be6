"""Fragmentation and its gradient, worked out by hand and on the cluster of the paper."""

import os
from math import exp
from pathlib import Path

import pytest

from bench.gates.packing import empty_fragmentation
from scheduler_service.domain.placement.fragmentation import Fragmentation, Gradient
from scheduler_service.domain.placement.mix import Task, by_demand, count, tasks_of, typical
from scheduler_service.domain.placement.scored import Cheapest
from scheduler_service.domain.placement.states import State
from scheduler_service.domain.scheduling.requests import Shape
from tests.unit.scheduler_service.placement.clusters import cluster, hold, part, share, whole

HALF = Task(devices=1, milli=500, cpu=2_000, memory=0, models=(), weight=3)
PAIR = Task(devices=2, milli=1000, cpu=6_000, memory=0, models=("A",), weight=1)
CORES = Task(devices=0, milli=0, cpu=1_000, memory=0, models=(), weight=1)


def state(cpu: int, whole: int, *shared: int, model: str = "A") -> State:
    """A node's state."""
    return State(model, 8, cpu, 0, whole, tuple(sorted(shared)))


def test_what_a_task_cannot_use_is_fragmented() -> None:
    """Two idle devices and 300 of a third, for halves (3 of 5), pairs and work without devices."""
    fragmentation = Fragmentation([HALF, PAIR, CORES])
    # Halves and pairs cannot use the 300, work without devices can use nothing.
    assert 3 * 300 + 1 * 300 + 1 * 2300 == fragmentation.amount(state(6_000, 2, 300))
    # Without cores for a pair, or on the wrong model, all is lost to it.
    assert 3 * 300 + 1 * 2300 + 1 * 2300 == fragmentation.amount(state(5_999, 2, 300))
    assert 3 * 300 + 1 * 2300 + 1 * 2300 == fragmentation.amount(state(6_000, 2, 300, model="B"))
    # A pair needs both; without cores nobody can use anything.
    assert 3 * 0 + 1 * 1600 + 1 * 1600 == fragmentation.amount(state(6_000, 1, 600))
    assert 5 * 2300 == fragmentation.amount(state(1_000, 2, 300))
    assert 0 == fragmentation.amount(state(6_000, 0))


def test_the_gradient_fills_what_is_broken_already() -> None:
    """A half goes beside another: breaking an idle device would take it from the pairs."""
    mix = ((share(500), 3), (whole(2), 1))
    nodes, placement = cluster(2, 2, 2), Cheapest(Gradient(mix))
    hold(nodes, 2, share(500), 1)
    assert (part(2, 1, milli=500),) == placement.place(nodes, share(500), nodes.open)
    # By 500 x 4/4, no more fragments on node 2; by 0 or more on the others.
    assert (part(0, 0, milli=500),) == placement.place(nodes, share(500), nodes.open & 0b011)


def test_scores_are_those_of_the_logistic_function() -> None:
    """Each growth of fragmentation scores the integer below 100 / (1 + exp(-change / 1000))."""
    gradient = Gradient(((share(400), 1),))
    shape = share(400)
    for before in range(400, 1001, 10):
        # Afterwards nobody can use the rest, unless it is 400 or more.
        change = 0 if before >= 800 else -(before - 400)
        score = gradient.score(State("", 1, 0, 0, 0, (before,)), shape)
        assert -int(100 / (1 + exp(-change / 1000))) == score.cost
        assert before == score.free


def test_typical_tasks_are_the_most_frequent_ones() -> None:
    """Those that cover 95%, told apart by all but memory; the rest is left out."""
    shapes = [share(500)] * 60 + [whole(1)] * 20 + [Shape(memory=1)] * 14
    shapes += [whole(2)] * 4 + [whole(8)] * 2
    tasks = typical(tasks_of(count(shapes), size=8))
    assert [(1, 500, 60), (1, 1000, 34), (2, 1000, 4)] == [
        (task.devices, task.milli, task.weight) for task in tasks
    ]


def test_demand_counts_devices() -> None:
    """Eight devices weigh as much as eight single ones; work without devices weighs nothing."""
    tasks = by_demand(tasks_of(count([whole(8), share(250), Shape(devices=0, cpu=1)]), size=8))
    assert [(1, 250), (8, 8000)] == [(task.devices, task.weight) for task in tasks]


def test_runs_over_several_nodes_count_as_their_parts() -> None:
    """A gang of three, and 20 devices on nodes of 8, are three tasks each."""
    mix = count([Shape(devices=2, nodes=3), Shape(devices=20, split=True)])
    assert [(2, 3), (8, 3)] == [(task.devices, task.weight) for task in tasks_of(mix, size=8)]


def test_what_arrives_is_learned_when_no_mix_is_given() -> None:
    """At first every node is alike; after some pairs came, a share leaves them room."""
    nodes, placement = cluster(2, 1), Cheapest(Gradient())
    assert (part(0, 0, milli=500),) == placement.place(nodes, share(500), nodes.open)
    for _ in range(4):
        placement.observe(whole(2))
    assert (part(1, 0, milli=500),) == placement.place(nodes, share(500), nodes.open)


def test_the_empty_cluster_of_the_paper() -> None:
    """866,232.55 thousandths of a GPU, with the traces in the folder that DATA names."""
    data = Path(os.environ.get("DATA", ""))
    if not (data / "openb").is_dir():
        pytest.skip("DATA does not name a folder with the public traces, openb among them")
    assert 866_232.55 == pytest.approx(empty_fragmentation(data), abs=0.005)
