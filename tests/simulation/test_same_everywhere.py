"""Equal seeds make equal results, whatever the interpreter's hash seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

POLICY = """
order = ["priority", "sjf"]
placement = "random"
[preemption]
by_order = true
minimum_runtime = 60000000
cost = 10000000
[fair_share]
enabled = true
"""


@pytest.mark.parametrize("policies", [["default", "easy", "las"], ["mine.toml"]])
def test_two_interpreters(tmp_path: Path, policies: list[str]) -> None:
    """Figures and pictures of two interpreters with different hash seeds are the same."""
    (tmp_path / "mine.toml").write_text(POLICY)

    assert simulated(tmp_path, "0", policies) == simulated(tmp_path, "4711", policies)


def simulated(folder: Path, hash_seed: str, policies: list[str]) -> tuple[object, bytes]:
    """Runs the command in an interpreter of its own; returns its figures and its picture."""
    picture = folder / f"{hash_seed}.svg"
    choices = [word for policy in policies for word in ("--policy", policy)]
    command = [sys.executable, "-m", "scheduler_service.simulate", "--jobs", "400", "--seed", "7"]
    result = subprocess.run(
        [*command, "--nodes", "3x8", "--json", "--picture", str(picture), *choices],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    figures = json.loads(result.stdout)
    for each in figures.values():
        del each["decisions_per_s"]
    return figures, picture.read_bytes()
