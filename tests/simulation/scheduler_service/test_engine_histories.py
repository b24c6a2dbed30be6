"""What holds after any history: 10,000 of them with --histories=10000, fewer by default."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler_service.domain.scheduling.record import replay
from scheduler_service.domain.scheduling.whatif import what_if
from tests.simulation.scheduler_service.histories import History

ROOT = Path(__file__).parents[3]
BATCH = 50


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many batches of histories as were asked for."""
    if "batch" in metafunc.fixturenames:
        histories = metafunc.config.getoption("--histories")
        metafunc.parametrize("batch", range(0, histories, BATCH))


def test_nothing_is_given_twice_lost_or_forgotten(batch: int) -> None:
    """Devices, gangs, runs and every index hold after each step, and everything gets its turn."""
    starts = preemptions = 0
    for seed in range(batch, batch + BATCH):
        history = History(seed)
        try:
            history.run()
        except AssertionError as failure:
            raise AssertionError(f"history {seed}: {failure}") from failure
        starts += history.starts
        preemptions += history.preemptions
    assert starts > 20 * BATCH
    assert preemptions > BATCH


def test_a_history_is_replayed_to_the_letter() -> None:
    """The log of a history, read back, leads to the very same decisions."""
    for seed in range(10):
        history = History(seed)
        history.run()
        replayed = replay(history.lines)
        assert replayed.difference is None
        assert len(history.lines) - 1 == replayed.steps


def test_what_if_nothing_were_different() -> None:
    """Nobody would wait longer or shorter under the policies and on the nodes that there were."""
    for seed in range(40):
        history = History(seed)
        history.run()
        changes = what_if(history.lines)
        assert (changes.more, changes.less) == ([], []), f"history {seed}"
        assert changes.equal == history.submitted


def test_asking_changes_nothing() -> None:
    """With questions between all steps the log is the same."""
    for seed in range(40):
        one, other = History(seed), History(seed, asks=True)
        one.run()
        other.run()
        assert one.lines == other.lines, f"history {seed}"


def test_histories_do_not_depend_on_the_order_of_hash_tables() -> None:
    """Two interpreters with different hash seeds write the same logs, byte for byte."""
    one, other = (_digests(hash_seed) for hash_seed in ("1", "2"))
    assert one.count("\n") == 20
    assert one == other


def _digests(hash_seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation.scheduler_service.histories", "0", "20"],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    ).stdout
