"""Reads a trace of jobs.

The format is CSV with a header: `timestamp` ("2017-10-09 07:01:55", or a number of seconds),
`duration` in seconds, `num_gpus`, and `cluster`, the virtual cluster that submitted the job.
Further columns are ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

GPUS_PER_NODE = 8


class TraceUnreadable(ValueError):
    """The file is not a trace; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class TraceJob:
    """A job of the trace.

    Attributes:
        index: place in the trace, from 0; it names the job.
        submit_s: seconds after the trace's first submit.
        duration_s: seconds that it ran.
        estimate_s: seconds that its user expects; it is stopped when they are over.
        nodes: nodes that it ran on.
        gpus: GPUs on each of them.
        cluster: virtual cluster, which becomes a user.
    """

    index: int
    submit_s: float
    duration_s: float
    estimate_s: float
    nodes: int
    gpus: int
    cluster: str

    @property
    def name(self) -> str:
        """The job's name in the system, unique in a replay."""
        return f"trace-{self.index:06d}"


def read(path: Path, limit: int) -> list[TraceJob]:
    """Returns the first `limit` jobs in the order of their submits.

    Raises:
        TraceUnreadable: a column is missing or holds something else.
        FileNotFoundError: there is no such file.
    """
    with path.open(newline="") as file:
        try:
            rows = sorted(
                ((moment(row["timestamp"]), row) for row in csv.DictReader(file)), key=by_time
            )
            return list(jobs_of(rows[:limit]))
        except (KeyError, ValueError, TypeError) as error:
            raise TraceUnreadable(
                f"{path} is no trace: expected CSV with the columns timestamp, duration, num_gpus "
                f"and cluster ({type(error).__name__}: {error})"
            ) from error


def by_time(row: tuple[float, Mapping[str, str]]) -> float:
    """Orders rows; those of the same second keep their order."""
    return row[0]


def jobs_of(rows: Iterable[tuple[float, Mapping[str, str]]]) -> Iterable[TraceJob]:
    """Yields a job for each row."""
    first: float | None = None
    for index, (submitted, row) in enumerate(rows):
        first = submitted if first is None else first
        nodes, gpus = shape(int(row["num_gpus"]))
        # The trace does not tell what users expected: they are taken to have known.
        duration = float(row["duration"])
        yield TraceJob(index, submitted - first, duration, duration, nodes, gpus, row["cluster"])


def shape(num_gpus: int) -> tuple[int, int]:
    """Returns nodes and GPUs on each: as few nodes as possible, and the same on all of them."""
    nodes = -(-num_gpus // GPUS_PER_NODE)
    while num_gpus % nodes:
        nodes += 1
    return nodes, num_gpus // nodes


def moment(text: str) -> float:
    """Returns seconds; a date without a zone is taken for UTC, as only differences matter."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
