"""Runs over several nodes, for every placement."""

import pytest

from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import Shape
from tests.unit.scheduler_service.placement.clusters import (
    cluster,
    hold,
    part,
    share,
    whole,
)

ALL = sorted(PLACEMENTS)


@pytest.mark.parametrize("name", ALL)
def test_a_gang_starts_on_different_nodes_or_not_at_all(name: str) -> None:
    """Three parts need three nodes, though one node could hold all of them."""
    nodes, placement = cluster(8, 2, 2, 1), PLACEMENTS[name](Policy())
    slices = placement.place(nodes, Shape(devices=2, nodes=3), nodes.open)
    assert slices is not None
    assert [0, 1, 2] == sorted(each.node for each in slices)
    assert placement.place(nodes, Shape(devices=2, nodes=4), nodes.open) is None
    assert placement.place(nodes, Shape(devices=2, nodes=3), 0b0111) is not None
    assert placement.place(nodes, Shape(devices=2, nodes=3), 0b0011) is None


@pytest.mark.parametrize("name", ALL)
def test_only_allowed_nodes_are_taken_however_often_that_changes(name: str) -> None:
    """A node that is not allowed is passed over now, and found again later."""
    nodes, placement = cluster(2, 2, 2, cpu=8_000), PLACEMENTS[name](Policy())
    for shape in (whole(1, cpu=1_000), share(300, cpu=1_000), whole(2)):
        for allowed in (0b001, 0b100, 0b010, 0b001):
            slices = placement.place(nodes, shape, allowed)
            assert slices is not None
            assert allowed == 1 << slices[0].node
        assert placement.place(nodes, shape, 0) is None


@pytest.mark.parametrize("name", ALL)
def test_work_without_devices_needs_cores_alone(name: str) -> None:
    """A node whose devices are all held takes it, one without cores does not."""
    nodes, placement = cluster(1, 1, cpu=4_000), PLACEMENTS[name](Policy())
    hold(nodes, 0, whole(1), 0)
    hold(nodes, 1, whole(1, cpu=3_000), 0)
    assert (part(0),) == placement.place(nodes, Shape(devices=0, cpu=2_000), nodes.open)
    assert placement.place(nodes, Shape(devices=0, cpu=5_000), nodes.open) is None


def test_consolidation_splits_into_idle_nodes_and_the_emptiest() -> None:
    """11 devices: the lowest idle node of 8, and the rest where most is idle, not where it fits."""
    nodes, placement = cluster(8, 8, 8), PLACEMENTS["consolidate"](Policy())
    hold(nodes, 0, whole(5), 0, 1, 2, 3, 4)
    run = Shape(devices=11, split=True)
    assert (part(1, *range(8)), part(2, 0, 1, 2)) == placement.place(nodes, run, nodes.open)
    hold(nodes, 2, whole(4), 0, 1, 2, 3)
    assert (part(1, *range(8)), part(2, 4, 5, 6)) == placement.place(nodes, run, nodes.open)
    hold(nodes, 2, whole(2), 4, 5)
    assert (part(1, *range(8)), part(0, 5, 6, 7)) == placement.place(nodes, run, nodes.open)
    hold(nodes, 1, whole(1), 0)
    assert placement.place(nodes, run, nodes.open) is None


def test_multiples_of_a_node_take_idle_nodes_only() -> None:
    """16 devices on nodes of 8 that are idle; a part-held node and a smaller one do not count."""
    nodes, placement = cluster(8, 4, 8, 8), PLACEMENTS["consolidate"](Policy())
    hold(nodes, 0, whole(1), 0)
    run = Shape(devices=16, split=True)
    assert (part(2, *range(8)), part(3, *range(8))) == placement.place(nodes, run, nodes.open)
    assert placement.place(nodes, Shape(devices=24, split=True), nodes.open) is None


def test_what_a_node_holds_is_not_split() -> None:
    """A run that could be split stays on one node if it is no larger than a node."""
    nodes, placement = cluster(8, 8), PLACEMENTS["consolidate"](Policy())
    hold(nodes, 0, whole(6), *range(6))
    hold(nodes, 1, whole(5), *range(5))
    assert (part(1, 5, 6, 7),) == placement.place(nodes, Shape(devices=3, split=True), nodes.open)
    assert placement.place(nodes, Shape(devices=4, split=True), nodes.open) is None


def test_first_fit_splits_into_the_first_that_fit() -> None:
    """The rest goes to the lowest node with room, though another is emptier."""
    nodes, placement = cluster(8, 8, 8), PLACEMENTS["first_fit"](Policy())
    hold(nodes, 0, whole(5), *range(5))
    run = Shape(devices=10, split=True)
    assert (part(1, *range(8)), part(0, 5, 6)) == placement.place(nodes, run, nodes.open)
