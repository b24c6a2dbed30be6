"""The rules of the packing gate, on a cluster of two nodes."""

from pathlib import Path

import pytest

from bench.gates import turnover
from bench.gates.check import AtLeast, Exactly, Reported
from bench.gates.packing import (
    POLICIES,
    Filling,
    arrivals,
    could_have_held,
    fill,
    judge,
    policy_of,
    wanted,
)
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import NodeSpec, NodeUp
from scheduler_service.domain.scheduling.requests import Shape

PODS = """cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec
1000,1,1,500,
1000,1,1,1000,A
1000,1,0,0,
"""
NODES = """sn,cpu_milli,memory_mib,gpu,model
n1,8000,1000,2,A
n2,8000,1000,2,B
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one workload."""
    (tmp_path / "openb").mkdir()
    (tmp_path / "openb/nodes.csv").write_text(NODES)
    (tmp_path / "openb/pods_default.csv").write_text(PODS)
    return tmp_path


def test_arrivals_are_drawn_until_enough_is_asked_for_and_shuffled_by_seed() -> None:
    """All pods of the list, then others of it; the last one takes the sum to 1.3 or beyond."""
    listed = [Shape(devices=1), Shape(devices=2), Shape(devices=0, cpu=1)]
    first = arrivals(listed, 10_000, seed=1)
    asked = sum(shape.total_milli for shape in first)
    assert 13_000 <= asked < 15_000
    assert set(listed) == set(first)
    assert first == arrivals(listed, 10_000, seed=1)
    assert first != arrivals(listed, 10_000, seed=2)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cluster_is_filled(data: Path, policy: str) -> None:
    """At most 100%, never less at the end than on the way, and nothing that fits turned away."""
    for seed in range(3):
        filling = fill((data, "default", policy, seed))
        assert 0 < filling.at_100 <= filling.at_130 <= 100
        assert 0 == filling.turned_away


def test_a_pod_turned_away_is_noticed() -> None:
    """An open node with room, of a model that the pod accepts, could have held it."""
    engine = Engine(policy_of("first_fit", 0, []))
    engine.step(0, [NodeUp(NodeSpec("n", model="A", devices=1, cpu=1_000))])
    assert could_have_held(engine, Shape(cpu=1_000, models=("A",)))
    assert not could_have_held(engine, Shape(cpu=1_000, models=("B",)))
    assert not could_have_held(engine, Shape(cpu=1_001))


def test_figures_are_means_with_their_spread() -> None:
    """Mean at 100% and 130%, and the least and the greatest of all seeds."""
    fillings = [Filling("default", "rollout", 95.0 + it, 96.0 + it, 0) for it in range(3)]
    assert {
        "packing_default_rollout_100": 96.0,
        "packing_default_rollout_130": 97.0,
        "packing_default_rollout_130_lowest": 96.0,
        "packing_default_rollout_130_highest": 98.0,
    } == {check.figure: check.measured for check in judge(fillings)}


def test_what_is_wanted() -> None:
    """The published figures to a tolerance, FGD at least, and rollouts above FGD as published."""
    assert AtLeast(95.3) == wanted("default", "fgd")
    assert Exactly(94.15, 0.3) == wanted("gpushare40", "fgd")
    assert Exactly(93.08, 0.8) == wanted("default", "best_fit")
    assert isinstance(wanted("default", "gpu_packing"), Reported)
    assert AtLeast(96.0) == wanted("default", "rollout")
    assert AtLeast(95.65) == wanted("multigpu20", "rollout_unaware")


def test_what_policies_know() -> None:
    """The mix of the list, or nothing."""
    listed = [Shape(devices=1), Shape(devices=1), Shape(devices=2)]
    assert ((Shape(devices=1), 2), (Shape(devices=2), 1)) == policy_of("fgd", 0, listed).mix
    assert () == policy_of("rollout_unaware", 0, listed).mix
    assert "rollout" == policy_of("rollout_unaware", 0, listed).placement


@pytest.mark.parametrize("policy", turnover.POLICIES)
def test_work_comes_and_goes(data: Path, policy: str) -> None:
    """Never more than all devices in use, some of what was asked for turned away or none."""
    found = turnover.turn_over((data, policy, 1, 300))
    assert policy == found.policy
    assert 20 < found.in_use <= 100
    assert 0 <= found.turned_away < 80
