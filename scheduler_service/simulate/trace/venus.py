"""Helios (Hu et al., SC'21), some virtual clusters of the cluster Venus as CSV."""

from pathlib import Path

from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.table import Table
from scheduler_service.simulate.trace.trace import UNKNOWN, Trace, Traits

COLUMNS = ("submit_time", "duration_s", "num_chips", "tenant", "user")


def read(path: Path, node_gpus: int = 8, team: str = "") -> Trace:
    """Reads ``submit_time`` (microseconds), ``duration_s``, ``num_chips``, ``tenant``, ``user``.

    Submits count in whole seconds, rounded down. ``class`` becomes the name and
    ``walltime_limit_s`` the limit, where they are there.

    Args:
        path: the file.
        node_gpus: GPUs of the largest node; jobs of more are spread over nodes.
        team: read the jobs of this virtual cluster only; empty means all.

    Raises:
        BadInput: the file is no such trace.
    """
    trace = Trace(path.name)
    for row in Table(path, COLUMNS).rows():
        if team in ("", row.text("tenant")):
            trace.add(
                row.time("submit_time", unit=1) // SECOND * SECOND,
                row.time("duration_s"),
                whole(row.count("num_chips", least=1), node_gpus),
                Traits(row.text("tenant"), row.text("user"), row.text("class")),
                limit=row.time("walltime_limit_s", default=UNKNOWN),
            )
    return trace.settled()
