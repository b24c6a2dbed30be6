"""Microsoft Philly (Jeon et al., ATC'19), a month as CSV."""

from pathlib import Path

from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.table import Table
from scheduler_service.simulate.trace.trace import Trace, Traits

COLUMNS = ("timestamp", "duration", "num_gpus", "cluster")


def read(path: Path, node_gpus: int = 8) -> Trace:
    """Reads ``timestamp`` (a date), ``duration`` (seconds), ``num_gpus`` and ``cluster``.

    The cluster, one of the virtual clusters that the system was shared by, becomes the team.
    Jobs of more GPUs than a node has are spread over nodes.

    Raises:
        BadInput: the file is no such trace.
    """
    trace = Trace(path.name)
    for row in Table(path, COLUMNS).rows():
        trace.add(
            row.moment("timestamp"),
            row.time("duration"),
            whole(row.count("num_gpus", least=1), node_gpus),
            Traits(team=row.text("cluster")),
        )
    return trace.settled()
