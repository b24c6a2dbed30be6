"""The command that asks a decision log."""

from pathlib import Path

import pytest

from scheduler_service.simulate.decisions import main
from tests.unit.scheduler_service.engine.test_record import recorded


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in which a large job holds up a small one."""
    path = tmp_path / "decisions.log"
    path.write_text("".join(f"{line}\n" for line in recorded()))
    return path


def test_a_log_is_replayed(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equality is said; a log that was tampered with is refused."""
    assert 0 == main(["replay", str(log)])
    assert "7 steps decide the same again" in capsys.readouterr().out
    log.write_text(log.read_text().replace("large", "huge"))
    assert 2 == main(["replay", str(log)])
    assert "is not what was written there" in capsys.readouterr().err


def test_the_past_is_explained(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With reason, place and what was waited for; or that it did not wait."""
    assert 0 == main(["explain", str(log), "small", "--at", "1970-01-01T00:00:05"])
    out = capsys.readouterr().out
    assert "PRIORITY  #2 of 2 in default" in out
    assert "waits for: large" in out
    assert 0 == main(["explain", str(log), "small", "--at", "1970-01-01T00:00:01"])
    assert "small neither waited nor ran" in capsys.readouterr().out


def test_another_policy_is_tried(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who waits less and more is told with both waits; so is one with more nodes."""
    assert 0 == main(["what-if", str(log), "--policy", "fifo-skip"])
    out = capsys.readouterr().out
    assert "1 would have waited less, 1 more, 1 as long." in out
    assert "less: small  18.0 s -> 0.0 s" in out
    assert 0 == main(["what-if", str(log), "--nodes", "2x8"])
    assert "2 would have waited less, 0 more, 1 as long." in capsys.readouterr().out


def test_an_unknown_policy_is_bad_input(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    assert 2 == main(["what-if", str(log), "--policy", "nothing"])
    assert "nothing" in capsys.readouterr().err
