"""The command line: what it prints, what it writes, what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scheduler_service.simulate.__main__ import main, parse
from scheduler_service.simulate.report import LABELS, span

SMALL = ["--jobs", "40", "--nodes", "2x8", "--policy", "fifo", "--policy", "ssf"]


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One column for each policy, one line for each figure."""
    assert 0 == main(SMALL)

    printed = capsys.readouterr().out
    assert "40 generated jobs, seed 0 on 2 nodes, 16 devices" in printed
    assert [] == [label for label in LABELS if label not in printed]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """All that is printed is one object, with the figures of each policy."""
    assert 0 == main([*SMALL, "--json"])

    figures = json.loads(capsys.readouterr().out)
    assert ["fifo", "ssf"] == list(figures)
    assert 40 == figures["fifo"]["ended"]
    assert ["mean", "p50", "p99", "p999", "longest"] == list(figures["fifo"]["queue"])


def test_a_seed_makes_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """The same seed makes the same figures, another one others."""
    outputs = []
    for seed in ("1", "1", "2"):
        main([*SMALL, "--json", "--seed", seed])
        figures = json.loads(capsys.readouterr().out)["fifo"]
        del figures["decisions_per_s"]
        outputs.append(figures)

    assert outputs[0] == outputs[1]
    assert outputs[0] != outputs[2]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace of two teams."""
    path = tmp_path / "trace.csv"
    path.write_text("submit,duration,gpus,team\n0,10,8,red\n0,10,4,blue\n5,10,4,blue\n")
    return path


def test_one_team_of_a_trace(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others' jobs are left out."""
    main(["--trace", str(trace), "--nodes", "1x8", "--policy", "fifo", "--team", "blue", "--json"])

    assert 2 == json.loads(capsys.readouterr().out)["fifo"]["jobs"]


def test_a_picture(tmp_path: Path) -> None:
    """An SVG that names the policies, the same for the same run."""
    paths = [tmp_path / "new" / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        assert 0 == main([*SMALL, "--json", "--picture", str(path)])

    texts = {element.text for element in ElementTree.parse(paths[0]).iter() if element.text}
    assert {"fifo", "ssf", "Jobs waiting", "Devices in use, %", "Mean queue"} <= texts
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--nodes", "many"], "nodes 'many': expected NODESxDEVICES"),
        (["--policy", "fife"], "policy 'fife': expected"),
        (["--trace", "/nowhere/trace.csv"], "No such file or directory: '/nowhere/trace.csv'"),
        (["--nodes", "1x8", "--inventory", "nodes.csv"], "expected only one of them"),
    ],
)
def test_bad_input(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said in one line, and the exit code is 2."""
    assert 2 == main(arguments)

    captured = capsys.readouterr()
    assert complaint in captured.err
    assert ("", 1) == (captured.out, captured.err.count("\n"))


def test_a_team_that_is_not_there(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is simulated."""
    assert 2 == main(["--trace", str(trace), "--team", "green"])
    assert "no jobs of the team 'green'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--picture", "x.bmp"], ["--jobs", "x"]])
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The parser refuses them with the usage."""
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "usage: python -m scheduler_service.simulate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (float("nan"), "-"),
        (0.25, "0.2 s"),
        (99.94, "99.9 s"),
        (125, "2 min 05 s"),
        (3_600, "1 h 00 min"),
        (48_079, "13 h 21 min"),
        (783_806, "9 d 1 h"),
    ],
)
def test_spans(seconds: float, expected: str) -> None:
    """As people read them."""
    assert expected == span(seconds)


@pytest.mark.parametrize(
    ("absent", "arguments"), [("rich", []), ("matplotlib", ["--picture", "it.svg"])]
)
def test_what_is_not_installed_is_named(absent: str, arguments: list[str]) -> None:
    """Where only the services' packages are, the command says which one it needs."""
    without = (
        f"import sys, runpy; sys.modules[{absent!r}] = None; sys.argv[1:] = {arguments!r}; "
        "runpy.run_module('scheduler_service.simulate', run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", without],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 != ended.returncode
    assert f"pip install {absent}" in ended.stderr
