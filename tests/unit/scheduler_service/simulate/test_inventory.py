"""Inventories, from their text to nodes."""

from pathlib import Path

import pytest

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.simulate import inventory
from scheduler_service.simulate.errors import BadInput


def test_equal_nodes() -> None:
    """A specification names number, devices, model and pool."""
    expected = [
        NodeSpec("train-v100-00000", pool="train", model="V100", devices=4),
        NodeSpec("train-v100-00001", pool="train", model="V100", devices=4),
    ]

    assert expected == inventory.parse("2x4:V100@train")
    assert [NodeSpec("default-node-00000", devices=8)] == inventory.parse("1x8")
    assert ResourceType.CPU is inventory.parse("1x0")[0].resource_type


@pytest.mark.parametrize("text", ["", "8", "x8", "8x", "0x8", "8x8:", "8x8@", "-1x8", "100001x8"])
def test_another_text_is_refused(text: str) -> None:
    """The complaint shows how it is written."""
    with pytest.raises(BadInput, match=r"expected NODESxDEVICES\[:MODEL\]\[@POOL\] as in 72x8"):
        inventory.parse(text)


def test_openb(tmp_path: Path) -> None:
    """Nodes of the published inventory, with their cores and memory."""
    path = tmp_path / "nodes.csv"
    path.write_text("sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\n")
    expected = NodeSpec("n0", model="P100", devices=2, cpu=64_000, memory=262_144)

    assert [expected] == inventory.read(path)


def test_own(tmp_path: Path) -> None:
    """Nodes of our own format."""
    path = tmp_path / "nodes.csv"
    path.write_text(
        "name,devices,pool,model,cpu,memory_gb,device_memory_gb\nn0,8,train,A100,96,512,80\nn1,0,,,,,\n"
    )
    expected = [
        NodeSpec(
            "n0",
            pool="train",
            model="A100",
            devices=8,
            device_memory=80,
            cpu=96_000,
            memory=524_288,
        ),
        NodeSpec("n1", resource_type=ResourceType.CPU, devices=0),
    ]

    assert expected == inventory.read(path)


def test_a_bad_value_is_named(tmp_path: Path) -> None:
    """By file, line and column."""
    path = tmp_path / "nodes.csv"
    path.write_text("name,devices\nn0,8\nn1,many\n")

    with pytest.raises(BadInput, match=r"nodes.csv, line 3, column devices: expected a whole num"):
        inventory.read(path)


def test_two_nodes_of_one_name_are_refused() -> None:
    """The engine would take the second for the first."""
    with pytest.raises(BadInput, match="two nodes are called default-node-00000"):
        inventory.together([*inventory.parse("1x8"), *inventory.parse("1x4")])
