"""Alibaba's production cluster as it was published with FGD (Weng et al., ATC'23), as CSV."""

from pathlib import Path

from scheduler_service.domain.resources import WHOLE, ResourceType
from scheduler_service.domain.scheduling.requests import Shape
from scheduler_service.simulate.trace.table import Row, Table
from scheduler_service.simulate.trace.trace import Trace, Traits

COLUMNS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
TIMES = ("creation_time", "deletion_time")


def read(path: Path) -> Trace:
    """Reads pods that were created and deleted; a pod runs from its creation to its deletion.

    ``qos`` becomes the name. ``scheduled_time`` counts as the beginning of the run where it is
    given.

    Raises:
        BadInput: the file is no list of pods, or has no times: such a list shows how densely pods
            can be packed, and nothing about waiting.
    """
    table = Table(path, (*COLUMNS, *TIMES))
    trace = Trace(path.name)
    for row in table.rows():
        created, deleted = (row.time(name) for name in TIMES)
        began = row.time("scheduled_time", default=created)
        if deleted < began:
            raise row.bad("deletion_time", "a time after the creation")
        trace.add(created, deleted - began, shape(row), Traits(name=row.text("qos")))
    return trace.settled()


def shapes(path: Path) -> list[Shape]:
    """What the pods of a list ask for, in its order; times are not needed.

    Raises:
        BadInput: the file is no list of pods.
    """
    return [shape(row) for row in Table(path, COLUMNS).rows()]


def shape(row: Row) -> Shape:
    """What one pod asks for; a pod without GPUs runs on processor cores."""
    gpus, milli = row.count("num_gpu"), row.count("gpu_milli")
    if milli > WHOLE or (gpus and not milli) or (gpus > 1 and milli < WHOLE):
        raise row.bad("gpu_milli", "1000 for each GPU, or less of a single one")
    return Shape(
        resource_type=ResourceType.GPU if gpus else ResourceType.CPU,
        devices=gpus,
        milli=milli if gpus else WHOLE,
        models=tuple(sorted(filter(None, row.text("gpu_spec").split("|")))),
        cpu=row.count("cpu_milli"),
        memory=row.count("memory_mib"),
    )
