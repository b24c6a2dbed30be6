"""The output of a run."""

from datetime import datetime
from enum import StrEnum

from servicekit.values import Value


class Source(StrEnum):
    """Where a line was written."""

    STDOUT = "STDOUT"
    STDERR = "STDERR"
    PLATFORM = "PLATFORM"


class OutputLine(Value, frozen=True):
    """One line, without its end; ``offset`` counts the lines of its run from 0."""

    offset: int
    at: datetime
    source: Source
    text: str
