"""A trace's jobs, from its file to what is submitted."""

from pathlib import Path

import pytest

from bench.replay import trace
from bench.replay.submitter import may_pass, spec
from bench.replay.trace import TraceJob

HEADER = "timestamp,duration,num_gpus,gpu_time,cluster\n"


def write(folder: Path, *lines: str) -> Path:
    """Writes a trace of these lines."""
    path = folder / "trace.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_order(tmp_path: Path) -> None:
    """Jobs come in the order of their submits counted from the first."""
    path = write(
        tmp_path,
        "2017-10-09 07:00:10,66.0,1,66.0,late",
        "2017-10-09 07:00:00,5.0,1,5.0,early",
        "2017-10-09 07:00:10,7.0,2,14.0,later",
    )
    expected = [
        TraceJob(0, 0.0, 5.0, 5.0, 1, 1, "early"),
        TraceJob(1, 10.0, 66.0, 66.0, 1, 1, "late"),
        TraceJob(2, 10.0, 7.0, 7.0, 1, 2, "later"),
    ]
    assert expected == trace.read(path, 10)


def test_limit(tmp_path: Path) -> None:
    """The limit takes the earliest jobs and not the first lines."""
    path = write(tmp_path, "2017-10-09 07:00:10,1,1,1,second", "2017-10-09 07:00:00,1,1,1,first")
    assert ["first"] == [job.cluster for job in trace.read(path, 1)]


def test_seconds(tmp_path: Path) -> None:
    """Seconds do as timestamps."""
    path = write(tmp_path, "1000.5,1,1,1,a", "1002,1,1,1,a")
    assert [0.0, 1.5] == [job.submit_s for job in trace.read(path, 10)]


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [(1, (1, 1)), (8, (1, 8)), (16, (2, 8)), (32, (4, 8)), (12, (2, 6)), (24, (3, 8)), (9, (3, 3))],
)
def test_shape(gpus: int, expected: tuple[int, int]) -> None:
    """More GPUs than a node has are spread evenly."""
    assert expected == trace.shape(gpus)


@pytest.mark.parametrize("line", ["2017-10-09,x,1,1,a", "noon,1,1,1,a", "2017-10-09,1,,1,a"])
def test_malformed(tmp_path: Path, line: str) -> None:
    """Another file is refused with the format."""
    with pytest.raises(trace.TraceUnreadable, match="columns timestamp, duration, num_gpus"):
        trace.read(write(tmp_path, line), 10)


def test_missing_columns(tmp_path: Path) -> None:
    """A file without the columns is refused."""
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(trace.TraceUnreadable, match="timestamp"):
        trace.read(path, 10)


def test_spec() -> None:
    """A job is asked for as it ran."""
    asked = spec(TraceJob(7, 0.0, 2214025.0, 2214030.5, 4, 8, "6214e9"))
    assert {"count": 8, "nodes": 4} == asked["resources"]
    assert "2214025.000s" == asked["simulation"]["duration"]
    assert "2214030.500s" == asked["estimated_duration"]
    assert "trace-000007" == asked["name"]


@pytest.mark.parametrize(
    ("status", "expected"), [(503, True), (500, True), (429, True), (400, False), (409, False)]
)
def test_may_pass(status: int, expected: bool) -> None:
    """Only what speaks of the moment is tried again."""
    assert expected == may_pass(status)
