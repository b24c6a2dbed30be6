"""The engine against published results, on the traces that they were published for."""

from importlib import import_module
from pathlib import Path

import pytest

from bench.gates.check import Check

QUICK = ("queueing", "repacking", "one_pool")
"""Gates of some seconds; `make gates` runs them all."""


@pytest.mark.parametrize("gate", QUICK)
def test_gate(gate: str, traces: Path) -> None:
    """Every figure of the gate is what it has to be."""
    checks: list[Check] = list(import_module(f"bench.gates.{gate}").checks(traces))

    assert [] == [check for check in checks if not check.holds]
    assert checks
