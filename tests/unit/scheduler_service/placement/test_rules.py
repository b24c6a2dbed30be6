"""The simple placements, each on a cluster small enough to work it out by hand."""

from collections import Counter

import pytest

from scheduler_service.domain.placement import PLACEMENTS
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.requests import Shape
from tests.unit.scheduler_service.placement.clusters import (
    cluster,
    hold,
    node_of,
    part,
    put,
    share,
    whole,
)


def chosen(name: str, nodes: Nodes, shape: Shape) -> int | None:
    """The node that a placement chooses."""
    return node_of(PLACEMENTS[name](Policy()).place(nodes, shape, nodes.open))


def test_first_fit_takes_the_lowest_node_and_the_tightest_device() -> None:
    """Node 0 has no room for two, node 1 has; a share goes beside another share."""
    nodes = cluster(2, 4, 2)
    hold(nodes, 0, share(400), 1)
    assert 1 == chosen("first_fit", nodes, whole(2))
    slices = PLACEMENTS["first_fit"](Policy()).place(nodes, share(600), nodes.open)
    assert (part(0, 1, milli=600),) == slices


@pytest.mark.parametrize("name", ["best_fit", "consolidate"])
def test_best_fit_fills_the_fullest_node_that_fits(name: str) -> None:
    """Idle devices 4, 2, 2, 1: two go to the lower of those with two."""
    nodes = cluster(4, 4, 2, 1)
    hold(nodes, 1, whole(2), 0, 1)
    assert 1 == chosen(name, nodes, whole(2))
    assert 3 == chosen(name, nodes, whole(1))
    assert chosen(name, nodes, whole(5)) is None


def test_best_fit_weighs_cores_and_devices_alike() -> None:
    """Left of 8 cores and 4 devices: (7/8 + 1/4) / 2 is more than (2/8 + 3/4) / 2."""
    nodes = cluster(4, 4, cpu=8_000)
    hold(nodes, 0, whole(2), 0, 1)
    hold(nodes, 1, Shape(devices=0, cpu=5_000))
    assert 1 == chosen("best_fit", nodes, whole(1, cpu=1_000))


def test_best_fit_compares_whole_percents() -> None:
    """A thousandth of a core less is no difference: the lowest node is taken."""
    nodes = cluster(4, 4, cpu=8_000)
    hold(nodes, 1, Shape(devices=0, cpu=1))
    assert 0 == chosen("best_fit", nodes, whole(1, cpu=1_000))
    hold(nodes, 1, Shape(devices=0, cpu=400))
    assert 1 == chosen("best_fit", nodes, whole(1, cpu=1_000))


def test_spread_takes_the_emptiest_node_and_device() -> None:
    """Idle devices 2, 4, 3; a share goes to an idle device, not beside another."""
    nodes = cluster(4, 4, 4)
    hold(nodes, 0, whole(2), 0, 1)
    hold(nodes, 2, share(500), 0)
    assert 1 == chosen("spread", nodes, whole(1))
    placement = PLACEMENTS["spread"](Policy())
    assert (part(2, 1, milli=200),) == placement.place(nodes, share(200), 0b100)


def test_dot_product_takes_the_node_least_along_the_demand() -> None:
    """Work that wants cores goes where cores are scarce and devices are not, and the other way."""
    nodes = cluster(4, 4, cpu=8_000)
    hold(nodes, 0, Shape(devices=0, cpu=4_000))
    hold(nodes, 1, whole(3), 0, 1, 2)
    assert 0 == chosen("dot_product", nodes, Shape(devices=0, cpu=2_000))
    assert 1 == chosen("dot_product", nodes, whole(1))


def test_packing_takes_devices_in_use_then_nodes_in_use_then_idle_nodes() -> None:
    """A share goes beside a share, else to an idle device of a node in use, else to an idle one."""
    nodes = cluster(2, 2, 2)
    hold(nodes, 1, whole(1), 0)
    assert 1 == chosen("gpu_packing", nodes, share(500))
    hold(nodes, 2, share(500), 1)
    assert 2 == chosen("gpu_packing", nodes, share(500))
    assert 1 == chosen("gpu_packing", nodes, share(600))
    assert 1 == chosen("gpu_packing", nodes, whole(1))
    assert 0 == chosen("gpu_packing", nodes, whole(2))


def test_clustering_keeps_tasks_of_a_sort_together() -> None:
    """Same sort alone, same sort among others, idle, others: in this order."""
    nodes, placement = cluster(4, 4, 4, 4), PLACEMENTS["gpu_clustering"](Policy())
    nodes.note_tenants(())
    hold(nodes, 1, whole(1), 0)
    hold(nodes, 1, whole(2), 1, 2)
    hold(nodes, 2, whole(2), 0, 1)
    assert 2 == node_of(placement.place(nodes, whole(2), nodes.open))
    assert 1 == node_of(placement.place(nodes, whole(1), nodes.open))
    assert 0 == node_of(placement.place(nodes, share(100), nodes.open))
    assert 2 == node_of(placement.place(nodes, share(100), 0b0100))


def test_clustering_forgets_what_has_ended() -> None:
    """A node whose only task of a sort ended is idle again."""
    nodes, placement = cluster(4, 4), PLACEMENTS["gpu_clustering"](Policy())
    nodes.note_tenants([((part(1, 0),), whole(1))])
    hold(nodes, 1, whole(2), 1, 2)
    assert 1 == node_of(placement.place(nodes, whole(1), nodes.open))
    nodes.give((part(1, 1, 2),), whole(2))
    assert [{}, {1: 1}] == nodes.tenants


def test_chance_is_even_and_repeats_itself() -> None:
    """Of three nodes with room each gets its part; one seed and past always chooses alike."""
    counts: Counter[int | None] = Counter()
    for seed in range(300):
        nodes = cluster(2, 1, 2, 2)
        hold(nodes, 1, whole(1), 0)
        placement = PLACEMENTS["random"](Policy(seed=seed))
        first = placement.place(nodes, whole(1), nodes.open)
        assert first == placement.place(nodes, whole(1), nodes.open)
        assert first == PLACEMENTS["random"](Policy(seed=seed)).place(nodes, whole(1), nodes.open)
        counts[node_of(first)] += 1
    assert {0, 2, 3} == set(counts)
    assert min(counts.values()) > 70


def test_chance_chooses_among_devices_too() -> None:
    """A share lands on the part-held device or on the idle one, never on the full one."""
    found = set()
    for seed in range(60):
        nodes = cluster(3)
        hold(nodes, 0, whole(1), 0)
        hold(nodes, 0, share(500), 1)
        slices = PLACEMENTS["random"](Policy(seed=seed)).place(nodes, share(500), nodes.open)
        assert slices is not None
        found.add(slices[0].devices)
    assert {0b010, 0b100} == found


@pytest.mark.parametrize("name", sorted(PLACEMENTS))
def test_a_cluster_is_filled_to_the_last_share(name: str) -> None:
    """Nothing that fits is turned away: halves fill six devices with twelve runs."""
    nodes, placement = cluster(1, 2, 3, cpu=100_000), PLACEMENTS[name](Policy())
    if getattr(placement, "tenants", False):
        nodes.note_tenants(())
    assert None not in [put(placement, nodes, share(500, cpu=10)) for _ in range(12)]
    assert put(placement, nodes, share(500, cpu=10)) is None
