"""The inventory as a file."""

from pathlib import Path

import pytest

from scheduler_service.adapters.inventory_file import read_inventory, read_prices
from scheduler_service.config import PACKAGED_INVENTORY
from servicekit.config import ConfigurationError


def written(tmp_path: Path, text: str) -> Path:
    """A file with this text."""
    path = tmp_path / "inventory.toml"
    path.write_text(text)
    return path


def test_the_packaged_inventory_has_three_pools() -> None:
    """Training, inference and research, as the README shows them."""
    pools, nodes = read_inventory(PACKAGED_INVENTORY)
    assert ["training", "inference", "research"] == [pool.name for pool in pools]
    shapes = [(it.pool, it.gpu_type, it.devices, it.vcpus, it.memory_gb) for it in nodes]
    assert [
        ("training", "A100", 8, 32, 256),
        ("inference", "T4", 4, 16, 128),
        ("research", "V100", 4, 16, 128),
    ] == shapes


def test_one_entry_describes_many_equal_nodes(tmp_path: Path) -> None:
    """Their names are numbered, and their ids are the same at every start."""
    path = written(
        tmp_path, '[[pools.p.nodes]]\ncount = 72\ngpu_type = "V100"\ndevices = 8\nlabels.zone = "a"'
    )
    _, nodes = read_inventory(path)
    assert 72 == len({node.id for node in nodes})
    assert ("p-v100-71", (("zone", "a"),)) == (nodes[71].name, nodes[71].labels)
    assert nodes == read_inventory(path)[1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[pools.p", "inventory.toml"),
        ("[pools.p]\nsize = 3", "size"),
        ("[[pools.p.nodes]]\ndevices = -1", "devices"),
        ('[[pools.p.nodes]]\nresource_type = "cat"', "cat"),
        ("[[pools.p.nodes]]\n[[pools.p.nodes]]", "p-gpu-0"),
    ],
)
def test_an_inventory_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """The complaint names file and fault."""
    with pytest.raises(ConfigurationError, match=complaint):
        read_inventory(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path is in the complaint."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_inventory(tmp_path / "nowhere.toml")


def test_prices_are_by_provider_and_model(tmp_path: Path) -> None:
    """In the file's currency; a price of nothing is none that is known."""
    text = '[prices.runpod]\n"NVIDIA A100" = 2_500_000\nT4 = 0\n[pools.p]\n'
    prices = read_prices(written(tmp_path, f'currency = "EUR"\n{text}'))
    assert {("runpod", "NVIDIA A100"): 2_500_000} == prices.hourly
    assert "EUR" == prices.currency
    assert "USD" == read_prices(written(tmp_path, text)).currency


@pytest.mark.parametrize("text", ['currency = "euro"', "[prices.p]\nT4 = -1", "[prices]\nT4 = 1.5"])
def test_prices_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    """At the start of the service, with the place in the file."""
    with pytest.raises(ConfigurationError, match=r"\$\.(currency|prices)"):
        read_prices(written(tmp_path, f"{text}\n[pools.p]\n"))
