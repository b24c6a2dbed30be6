"""The formats that are known, and how one is recognised by its header."""

import enum
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scheduler_service.simulate.errors import BadInput
from scheduler_service.simulate.trace import muri, openb, own, philly, venus
from scheduler_service.simulate.trace.table import Table
from scheduler_service.simulate.trace.trace import Trace


class Format(enum.StrEnum):
    """Names of the formats."""

    OWN = "own"
    PHILLY = "philly"
    VENUS = "venus"
    MURI = "muri"
    OPENB = "openb"


class Known(NamedTuple):
    """A format: the columns that it cannot do without, and its reader."""

    columns: tuple[str, ...]
    read: Callable[[Path, int], Trace]


FORMATS = {
    Format.OWN: Known(own.COLUMNS, own.read),
    Format.PHILLY: Known(philly.COLUMNS, philly.read),
    Format.VENUS: Known(venus.COLUMNS, venus.read),
    Format.MURI: Known(muri.COLUMNS, muri.read),
    Format.OPENB: Known(openb.COLUMNS, lambda path, node_gpus: openb.read(path)),
}


def read(path: Path, format_: Format | None = None, node_gpus: int = 8) -> Trace:
    """Reads a trace of a format, or of the format that its header shows.

    Args:
        path: the file.
        format_: its format; None to go by its header.
        node_gpus: GPUs of the largest node; jobs of more are spread over nodes.

    Raises:
        BadInput: the file cannot be read, or is of no known format.
    """
    trace = FORMATS[format_ or recognise(path)].read(path, node_gpus)
    if not len(trace):
        raise BadInput(f"{path}: there are no jobs in it")
    return trace


def recognise(path: Path) -> Format:
    """The format whose columns a file has."""
    found = Table(path).places
    for format_, known in FORMATS.items():
        if found.keys() >= set(known.columns):
            return format_
    expected = "; ".join(f"{format_}: {','.join(it.columns)}" for format_, it in FORMATS.items())
    raise BadInput(
        f"{path}: not a known format. Its header has {','.join(found) or 'nothing'}; "
        f"expected at least one of: {expected}"
    )
