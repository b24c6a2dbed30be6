"""The simulator's own format: CSV with a header, one job a line, in any order.

| column | meaning | when it is missing or empty |
|---|---|---|
| submit | date with time, or seconds | needed |
| duration | seconds of service that the job needs | needed |
| gpus | devices of the whole job; on several nodes if one has not as many | needed |
| nodes | if given, the devices are spread evenly over exactly so many nodes | as few as possible |
| gpu_milli | share of a single device in thousandths | 1000 |
| models | acceptable device models, the preferred first, separated by a vertical bar | any |
| cpu | processor cores on each node | 0 |
| memory_gb | main memory on each node in GiB | 0 |
| pool | pool to run in | the first that can hold it |
| team, user, name | whose job it is, and what it is called | empty |
| priority | greater goes first | 0 |
| preemptible | yes or no | no |
| estimate | seconds that its user expects it to run | unknown |
| limit | seconds that it may run | none |

Further columns are ignored. Lines before the header that begin with # are comments.
"""

from pathlib import Path

from scheduler_service.domain.resources import WHOLE, ResourceType
from scheduler_service.domain.scheduling.requests import Shape
from scheduler_service.simulate.trace.table import Row, Table
from scheduler_service.simulate.trace.trace import UNKNOWN, Trace, Traits

COLUMNS = ("submit", "duration", "gpus")
ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


def read(path: Path, node_gpus: int = 8) -> Trace:
    """Reads a trace in the simulator's own format.

    Raises:
        BadInput: the file is no such trace.
    """
    trace = Trace(path.name)
    for row in Table(path, COLUMNS).rows():
        trace.add(
            row.moment("submit"),
            row.time("duration"),
            shape(row, node_gpus),
            traits(row),
            row.time("estimate", default=UNKNOWN),
            row.time("limit", default=UNKNOWN),
        )
    return trace.settled()


def shape(row: Row, node_gpus: int) -> Shape:
    """What one job asks for."""
    gpus = row.count("gpus")
    nodes = row.count("nodes", least=1, default=1)
    milli = row.count("gpu_milli", least=1, default=WHOLE)
    if gpus % nodes:
        raise row.bad("nodes", f"a divisor of {gpus}, the job's gpus")
    if milli > WHOLE or (milli < WHOLE and gpus != 1):
        raise row.bad("gpu_milli", "1000, or less of a single GPU")
    models = tuple(filter(None, row.text("models").split("|")))
    return Shape(
        resource_type=ResourceType.GPU if gpus else ResourceType.CPU,
        devices=gpus // nodes,
        milli=milli,
        nodes=nodes,
        split=nodes == 1 and gpus > node_gpus,
        models=models,
        ranked=len(models) > 1,
        cpu=row.count("cpu", default=0) * 1000,
        memory=row.count("memory_gb", default=0) * 1024,
        pool=row.text("pool"),
    )


def traits(row: Row) -> Traits:
    """Whose job it is, and its rank."""
    answer = ANSWERS.get(row.text("preemptible").lower())
    if answer is None:
        raise row.bad("preemptible", "yes or no")
    return Traits(
        team=row.text("team"),
        user=row.text("user"),
        name=row.text("name"),
        priority=row.count("priority", least=-(1 << 31), default=0),
        preemptible=answer,
    )
