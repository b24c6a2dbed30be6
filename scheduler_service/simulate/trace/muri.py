"""Muri (Zhao et al., SIGCOMM'22), the traces of its simulator as CSV."""

from pathlib import Path

from scheduler_service.simulate.trace.shapes import whole
from scheduler_service.simulate.trace.table import Table
from scheduler_service.simulate.trace.trace import Trace, Traits

COLUMNS = ("num_gpu", "submit_time", "iterations", "iteration_time", "model_name")

SLOWDOWN_PERMILLE = 1015
"""What an iteration takes in the cluster, in thousandths of what it took alone."""


def read(path: Path, node_gpus: int = 8) -> Trace:
    """Reads ``num_gpu``, ``submit_time`` and ``iteration_time`` (milliseconds), ``iterations``.

    The service is iterations x iteration_time x 1.015. ``model_name`` becomes the name.

    Raises:
        BadInput: the file is no such trace.
    """
    trace = Trace(path.name)
    for row in Table(path, COLUMNS).rows():
        iteration = row.time("iteration_time", unit=SLOWDOWN_PERMILLE)
        trace.add(
            row.time("submit_time", unit=1000),
            row.count("iterations") * iteration,
            whole(row.count("num_gpu", least=1), node_gpus),
            Traits(name=row.text("model_name")),
        )
    return trace.settled()
