"""When a step fails half-way the loops begin again, and nothing is lost or doubled."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from scheduler_service.adapters.tables import ALLOCATIONS, DEVICES, NODES
from servicekit import failpoints
from tests.service.scheduler_service.conftest import House, Kind, Open, seen, workload

LIFE = [Kind.KIND_QUEUED, Kind.KIND_STARTED, Kind.KIND_FINISHED]
COUNT = 30
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def no_failpoints_left() -> Iterator[None]:
    """Switches every failpoint off again."""
    yield
    failpoints.configure("")


async def lives(house: House, count: int) -> dict[str, list[Any]]:
    """The kinds of all events of each workload, after checking that no revision is missing."""
    events = await house.watch(lambda it: len(it) >= 3 * count)
    assert list(range(1, 3 * count + 1)) == [event.revision for event in events]
    found: dict[str, list[Any]] = {}
    for event in events:
        found.setdefault(event.workload_id, []).append(event.kind)
    return found


async def assert_nothing_held(house: House) -> None:
    """Every device, core and byte is free, and no allocation is live."""
    live = sa.select(sa.func.count()).where(ALLOCATIONS.c.ended_at.is_(None))
    held = sa.select(sa.func.count()).where(DEVICES.c.free_milli != 1000)
    read = house.service.database.read
    assert 0 == await read(lambda connection: connection.execute(live).scalar_one())
    assert 0 == await read(lambda connection: connection.execute(held).scalar_one())
    cores = sa.select(NODES.c.free_vcpus).order_by(NODES.c.position)
    assert [32, 16, 16] == await read(lambda it: list(it.execute(cores).scalars()))


@pytest.mark.parametrize(
    "points",
    [
        "workload.start.before_commit=error*2",
        "workload.start.after_commit=error*2",
        "backend.start.before=error*2",
        "backend.start.after=error*2",
        "workload.finish.before_commit=error*2",
        "workload.finish.after_commit=error*2",
    ],
)
async def test_a_failed_step_is_made_good(open_on_each: Open, points: str) -> None:
    """Whether the change had been made or not, every workload lives exactly one life."""
    async with open_on_each() as house:
        failpoints.configure(points)
        ids = [f"w{number}" for number in range(COUNT)]
        await house.enqueue(*(workload(each, resources={"vcpus": 2}) for each in ids))
        await house.ended(ids)
        assert dict.fromkeys(ids, LIFE) == await lives(house, COUNT)
        assert failpoints.hits()[points.partition("=")[0]] > 2
        await assert_nothing_held(house)


async def test_a_node_that_left_the_inventory_keeps_its_work(
    open_house: Open, tmp_path: Path
) -> None:
    """What runs goes on; nothing new starts there; it is gone after its work and a restart."""
    text = '[[pools.p.nodes]]\nname = "{}"\ngpu_type = "A100"\ndevices = 1\n'
    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    before.write_text(text.format("old"))
    after.write_text(text.format("new"))
    async with open_house(inventory=before, simulation_speed=1.0) as house:
        await house.enqueue(workload("a", DAY))
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="a"))
    async with open_house(inventory=after, simulation_speed=1.0) as house:
        await house.enqueue(workload("b", DAY), workload("c", DAY))
        events = await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="b"))
        assert "new-0" == events[-1].placement.slices[0].node
        await house.cancel("a")
        await house.ended(["a"])
        assert workload_pb2.WORKLOAD_STATE_QUEUED == (await house.get("c")).state
        await house.cancel("b")
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="c"))
    async with open_house(inventory=after) as house:
        names = sa.select(NODES.c.id)
        found = await house.service.database.read(lambda it: it.execute(names).all())
        assert 1 == len(found)


async def test_a_restart_does_not_forget_how_often_a_job_was_preempted(
    open_house: Open, tmp_path: Path
) -> None:
    """A job that had its share of preemptions for the day is left alone after it as well."""
    policy, inventory = tmp_path / "policy.toml", tmp_path / "inventory.toml"
    policy.write_text(
        "[preemption]\nby_priority = true\nminimum_runtime = 0\nper_job_and_day = 1\n"
    )
    inventory.write_text('[[pools.p.nodes]]\ngpu_type = "A100"\ndevices = 1\n')
    settings = {"policy": policy, "inventory": inventory, "simulation_speed": 1.0}
    high = resource_pb2.PRIORITY_CLASS_HIGH
    async with open_house(**settings) as house:
        await house.enqueue(workload("first", DAY, preemptible=True))
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="first"))
        await house.enqueue(workload("urgent", DAY, priority_class=high))
        await house.watch(lambda events: events[-1].kind == Kind.KIND_STARTED and len(events) > 4)
        await house.cancel("urgent")
    async with open_house(**settings) as house:
        second = workload("second", DAY, preemptible=True)
        second.job_id = "job of first"
        await house.enqueue(second)
        await house.watch(seen(Kind.KIND_QUEUED, Kind.KIND_STARTED, of="second"))
        await house.enqueue(workload("more urgent", DAY, priority_class=high))
        request = pb.ExplainWorkloadRequest(workload_id="more urgent")
        async with asyncio.timeout(20):
            while (await house.scheduler.ExplainWorkload(request)).explanation.position != 1:
                pass
        assert workload_pb2.WORKLOAD_STATE_RUNNING == (await house.get("second")).state
