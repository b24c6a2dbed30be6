"""A start that another writer committed is noticed, and carried out like the scheduler's own."""

import sqlalchemy as sa

from gpuaas.scheduler.v1 import resource_pb2
from scheduler_service.adapters.tables import DEVICES, PLUMBING
from scheduler_service.adapters.unit import SqlUnitOfWork
from scheduler_service.application.commands import PlannedStart, StartWorkloads
from scheduler_service.domain.resources import DeviceSlice, NodeSlice, Placement
from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.eventlog import EventLog
from servicekit.ids import new_id
from tests.databases import threaded
from tests.service.scheduler_service.conftest import House, Kind, Open, seen, workload

ALL_A100 = resource_pb2.ResourceSpec(gpu_type="A100", count=8)
DAY = 24 * 3600


async def test_a_workload_that_a_late_writer_started_runs_to_its_end(
    open_house: Open, sqlite_url: str
) -> None:
    """The loop rebuilds itself, tells the backend, and the workload finishes once."""
    async with open_house() as house:
        await house.enqueue(
            workload("first", DAY, resources=ALL_A100), workload("late", resources=ALL_A100)
        )
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="first"))
        await start_elsewhere(house, sqlite_url, "late")

        whole = seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, Kind.KIND_FINISHED, of="late")
        await house.watch(whole)


async def start_elsewhere(house: House, url: str, workload_id: str) -> None:
    """Starts a workload on a free T4, through a writer that the service knows nothing of."""
    inference = sa.select(DEVICES.c.node_id).where(DEVICES.c.pool == "inference").limit(1)
    read = house.service.database.read
    node_id = await read(lambda connection: connection.execute(inference).scalar_one())
    devices = (DeviceSlice(0, 1000),)
    on_t4 = Placement("inference", "", (NodeSlice(node_id, node_id, "T4", devices, 0, 0),))
    database = Database(url)
    log = EventLog(database, PLUMBING)
    await log.open()
    writer = threaded(database, log, PLUMBING, SqlUnitOfWork)
    await writer.start()
    planned = PlannedStart(workload_id, new_id(), on_t4)
    dispatched = await writer.execute(StartWorkloads([planned], [], SystemClock().now()))
    await writer.stop()
    await log.close()
    database.close()
    assert [workload_id] == [started.spec.id for started in dispatched.started]
