"""The replay's command line, as far as it needs no system."""

from pathlib import Path

import pytest

from bench.replay import __main__ as command
from bench.replay.submitter import Refused


def test_missing_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace that is not there is named, before anything is started."""
    missing = tmp_path / "absent.csv"
    assert 2 == command.main(["--trace", str(missing)])
    assert str(missing) in capsys.readouterr().err


def test_other_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of another format is answered with the format."""
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert 2 == command.main(["--trace", str(other)])
    assert "expected CSV with the columns timestamp, duration" in capsys.readouterr().err


def test_nested_failures() -> None:
    """What went wrong in tasks of tasks is told flat, one line each."""
    inner = ExceptionGroup("submits", [Refused("400: no"), TimeoutError("late")])
    expected = ["Refused: 400: no", "TimeoutError: late", "Refused: other"]
    assert expected == command.leaves(ExceptionGroup("streams", [inner, Refused("other")]))
