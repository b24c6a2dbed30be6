"""Rollouts: what stays idle when usual tasks keep arriving."""

import pytest

from scheduler_service.domain.placement.mix import Task
from scheduler_service.domain.placement.rollout import LENGTH, STREAMS, Remainder, Rollout
from scheduler_service.domain.placement.scored import Cheapest
from scheduler_service.domain.placement.states import State
from scheduler_service.domain.scheduling.requests import Shape
from tests.unit.scheduler_service.placement.clusters import cluster, hold, part, share, whole

ROOMY = 1 << 40


def task(devices: int, milli: int, cpu: int = 0, *, weight: int = 1, model: str = "") -> Task:
    """A usual task."""
    return Task(devices, milli, cpu, 0, (model,) if model else (), weight)


def state(cpu: int, whole: int, *shared: int, model: str = "") -> State:
    """A node's state."""
    return State(model, 8, cpu, ROOMY, whole, tuple(sorted(shared)))


@pytest.mark.parametrize(
    ("cpu", "whole", "shared", "left"),
    [
        (ROOMY, 1, (), 100),  # three of 300
        (ROOMY, 0, (250, 700), 350),  # 250 is too little, 700 takes two
        (2_000, 2, (), 1400),  # cores for two of them
        (2_999, 2, (), 1400),  # part of a core is not counted
        (0, 2, (), 2000),
        (ROOMY, 0, (), 0),
    ],
)
def test_one_sort_of_task_leaves_what_is_too_small(
    cpu: int, whole: int, shared: tuple[int, ...], left: int
) -> None:
    """Tasks of 300 with a core each arrive until none fits; every stream ends alike."""
    remainder = Remainder([task(1, 300, 1_000)], seed=0)
    assert left * STREAMS == remainder.amount(state(cpu, whole, *shared))


def test_tasks_go_to_the_tightest_device() -> None:
    """500 on the device with 500, so that 900 stays whole for nothing: 400 are left of it."""
    assert 400 * STREAMS == Remainder([task(1, 500)], seed=0).amount(state(ROOMY, 0, 500, 900))


def test_tasks_for_another_model_leave_a_node_alone() -> None:
    """Only what accepts the node's devices counts."""
    tasks = [task(1, 1000, model="A"), task(1, 400, model="B")]
    remainder = Remainder(tasks, seed=0)
    assert 0 == remainder.amount(state(ROOMY, 1, model="A"))
    assert 200 * STREAMS == remainder.amount(state(ROOMY, 1, model="B"))


def test_streams_hold_every_sort_by_its_part() -> None:
    """Of 1,600 tasks drawn from 3 : 1, 1,200 are of the first sort, in every stream nearly so."""
    remainder = Remainder([task(1, 400, weight=3), task(2, 1000)], seed=7)
    streams = remainder.streams("", 1000)
    shares = [sum(milli == 400 for _, milli, *_ in stream) for stream in streams]
    assert STREAMS == len(streams)
    assert {LENGTH} == {len(stream) for stream in streams}
    assert 1200 == sum(shares)
    assert max(shares) - min(shares) <= 1


def test_it_sees_further_ahead_than_one_task() -> None:
    """A share with many cores goes where cores are left over, not where they would be missed.

    Every single task would still fit on either node, so fragmentation sees no difference.
    """
    mix = ((whole(1, cpu=4_000), 9), (share(500, cpu=8_000), 1))
    nodes = cluster(4, cpu=16_000)
    nodes.add(cluster(4, cpu=64_000).specs[0]._replace(id="large"))
    placement = Cheapest(Rollout(mix))
    assert (part(1, 0, milli=500),) == placement.place(nodes, share(500, cpu=8_000), nodes.open)
    work = Shape(devices=0, cpu=4_000)
    assert (part(1),) == placement.place(nodes, work, nodes.open)


def test_it_keeps_nodes_whole_for_large_tasks() -> None:
    """A single device is taken from a node that is broken already, whatever comes is likely."""
    mix = ((whole(1), 50), (whole(4), 5))
    nodes, placement = cluster(4, 4, 4), Cheapest(Rollout(mix))
    hold(nodes, 1, whole(1), 0)
    assert (part(1, 1),) == placement.place(nodes, whole(1), nodes.open)


def test_a_share_completes_a_device() -> None:
    """650 beside 350 leaves nothing; beside an idle device it would leave what nobody takes."""
    mix = ((share(650), 1), (share(350), 1))
    nodes, placement = cluster(1, 1, 1), Cheapest(Rollout(mix))
    hold(nodes, 1, share(300), 0)
    hold(nodes, 2, share(350), 0)
    assert (part(2, 0, milli=650),) == placement.place(nodes, share(650), nodes.open)
    assert (part(0, 0, milli=650),) == placement.place(nodes, share(650), 0b001)


def test_seeds_draw_other_streams() -> None:
    """One seed always draws alike, others differently."""
    tasks = [task(1, 300), task(1, 410), task(1, 170)]
    amounts = [Remainder(tasks, seed).amount(state(ROOMY, 4)) for seed in (1, 1, 2, 3, 4)]
    assert amounts[0] == amounts[1]
    assert len(set(amounts)) > 1


def test_without_any_knowledge_the_lowest_node_is_taken() -> None:
    """Nothing was given and nothing has arrived: every start costs nothing."""
    nodes, placement = cluster(2, 1), Cheapest(Rollout())
    assert (part(0, 0),) == placement.place(nodes, whole(1), nodes.open)
