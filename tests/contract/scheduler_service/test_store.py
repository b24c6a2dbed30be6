"""What the repositories promise, whatever is behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from scheduler_service.adapters.documents import decode_event
from scheduler_service.adapters.tables import DEVICES, NODES
from scheduler_service.application.commands import (
    CancelWorkloads,
    EnqueueWorkloads,
    FinishWorkloads,
    ForgetCancellations,
    StartWorkloads,
)
from scheduler_service.application.inventory import SyncInventory
from scheduler_service.application.ports import UnitOfWork, WorkloadFilter
from scheduler_service.domain.errors import DeviceTaken
from scheduler_service.domain.events import WorkloadFinished, WorkloadQueued, WorkloadStarted
from scheduler_service.domain.outcome import Outcome, OutcomeKind
from scheduler_service.domain.prices import Money
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.spec import (
    PriorityClass,
    Program,
    Simulation,
    Strategy,
    WorkloadSpec,
)
from scheduler_service.domain.workload import Workload, WorkloadState
from servicekit.errors import Aborted
from servicekit.values import replace
from tests.contract.scheduler_service.conftest import Store
from tests.scheduler_examples import (
    LATER,
    NODE,
    NOW,
    POOL,
    SUCCEEDED,
    placement,
    planned,
    result,
    workload,
)

FULL = Workload(
    spec=WorkloadSpec(
        id="full",
        job_id="j1",
        owner_id="o1",
        team="t1",
        name="train",
        attempt=2,
        demand=Demand(
            ResourceType.GPU,
            "A100",
            2,
            1000,
            16,
            4,
            1,
            ("V100", "T4"),
            40,
            (("zone", "a"),),
        ),
        pool="training",
        provider="local",
        strategy=Strategy.COST,
        priority_class=PriorityClass.HIGH,
        priority=9,
        preemptible=True,
        estimated_duration=timedelta(hours=1, microseconds=7),
        max_runtime=timedelta(days=2),
        hourly_price_limit=Money(2_500_000, "EUR"),
    ),
    program=Program("", ("a", "b"), "image", (("KEY", "wert \u00fc \U0001f600"),)),
    simulation=Simulation(timedelta(seconds=1.5), 3),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    enqueued_at=NOW,
)


@dataclass(frozen=True, slots=True)
class Do:
    """A command that does whatever a test says."""

    work: Callable[[UnitOfWork], Any]
    name: str = "test"

    def run(self, unit: UnitOfWork) -> Any:
        """Does it."""
        return self.work(unit)


async def fill(store: Store, *workloads: Workload) -> None:
    """Stores the inventory and these workloads, waiting."""
    await store.writer.execute(SyncInventory([POOL], [NODE]))
    await store.writer.execute(EnqueueWorkloads(workloads, NOW))


async def start(store: Store, *starts: Any) -> list[Workload]:
    """Starts workloads and returns them."""
    return list((await store.writer.execute(StartWorkloads(starts, (), NOW))).started)


async def test_a_workload_comes_back_as_it_was(store: Store) -> None:
    """Every field, before and after its life."""
    await fill(store, FULL)
    assert FULL == await store.reader.workload("full")
    (running,) = await start(store, planned("full", 0, 1))
    assert running == await store.reader.workload("full")
    outcome = Outcome(OutcomeKind.USER_FAILED, 3, "It ended.")
    await store.writer.execute(FinishWorkloads([result(running, 1.5, outcome)], LATER))
    ended = await store.reader.workload("full")
    assert ended == replace(
        running,
        state=WorkloadState.FINISHED,
        outcome=outcome,
        ended_at=LATER,
        used_milli_gpu_seconds=3_000,
    )


async def test_what_is_not_there_is_none(store: Store) -> None:
    """No workload, no cancellation, nothing that runs."""
    assert None is await store.reader.workload("w")
    assert [] == list(await store.reader.running(["w"]))
    assert None is await store.writer.execute(Do(lambda unit: unit.workloads.get("w")))
    assert None is await store.writer.execute(Do(lambda unit: unit.cancellations.reason("w")))


async def test_a_snapshot_has_what_waits_in_the_order_of_arrival(store: Store) -> None:
    """And what runs, and the nodes in the order of the inventory; not what has ended."""
    await fill(store, *(workload(name) for name in ("z", "a", "m", "b")))
    (running,) = await start(store, planned("m", 0))
    await store.writer.execute(EnqueueWorkloads([workload("0")], NOW))
    await store.writer.execute(CancelWorkloads(["b"], "", {}, NOW))
    snapshot = await store.reader.snapshot()
    assert ["z", "a", "0"] == [each.spec.id for each in snapshot.queued]
    assert [running] == list(snapshot.running)
    assert [NODE] == list(snapshot.nodes)
    assert 7 == snapshot.revision


async def test_only_what_runs_is_found_running(store: Store) -> None:
    """Of the ids asked for."""
    await fill(store, workload("a"), workload("b"), workload("c"))
    running = await start(store, planned("a", 0), planned("b", 1))
    assert [running[0]] == list(await store.reader.running(["a", "c", "unknown"]))


async def test_devices_are_taken_and_given_back(store: Store) -> None:
    """A second taker is refused, also for a share, until the first has ended."""
    await fill(store, *(workload(name) for name in "abcd"))
    (first,) = await start(store, planned("a", 0, milli=700, vcpus=8))
    with pytest.raises(DeviceTaken):
        await start(store, planned("b", 0, milli=301))
    with pytest.raises(DeviceTaken):
        await start(store, planned("b", 1, vcpus=1))
    await start(store, planned("b", 0, milli=300))
    await store.writer.execute(FinishWorkloads([result(first)], LATER))
    await start(store, planned("c", 0, milli=700, vcpus=8), planned("d", 1))


async def test_a_workload_is_placed_once(store: Store) -> None:
    """A second allocation for it is refused, even after the first has ended."""
    await fill(store, workload("a"))
    (running,) = await start(store, planned("a", 0))
    await store.writer.execute(FinishWorkloads([result(running)], LATER))
    again = Do(lambda unit: unit.allocations.open("another", "a", placement(0), NOW))
    with pytest.raises(Aborted):
        await store.writer.execute(again)


async def test_an_unknown_node_cannot_be_booked(store: Store) -> None:
    """An engine that knows a node which is not there has erred."""
    await fill(store, workload("a"))
    with pytest.raises(DeviceTaken):
        await start(store, planned("a", 0, node="elsewhere"))


async def test_pages_follow_the_arrival(store: Store) -> None:
    """Each workload is on one page; the last page says so."""
    await fill(store, *(workload(f"w{9 - number}") for number in range(5)))
    first = await store.reader.page(WorkloadFilter(), 2, 0)
    assert first.last is not None
    second = await store.reader.page(WorkloadFilter(), 2, first.last)
    assert second.last is not None
    third = await store.reader.page(WorkloadFilter(), 2, second.last)
    ids = [[each.spec.id for each in page.workloads] for page in (first, second, third)]
    assert [["w9", "w8"], ["w7", "w6"], ["w5"]] == ids
    assert third.last is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (WorkloadFilter(states=frozenset({WorkloadState.RUNNING})), ["full"]),
        (WorkloadFilter(states=frozenset(WorkloadState)), ["full", "b", "c"]),
        (WorkloadFilter(pool="training"), ["full"]),
        (WorkloadFilter(pool="other"), ["b"]),
        (WorkloadFilter(owner_id="o1", team="t1", job_id="j1"), ["full"]),
        (WorkloadFilter(job_id="j"), ["b", "c"]),
        (WorkloadFilter(team="another"), []),
        (WorkloadFilter(node_id="n0"), ["full"]),
        (WorkloadFilter(node_id="n1"), []),
    ],
)
async def test_a_filter_restricts_a_page(
    store: Store, wanted: WorkloadFilter, expected: list[str]
) -> None:
    """By state, pool, owner, team, job and node."""
    await fill(store, FULL, workload("b", pool="other"), workload("c"))
    await start(store, planned("full", 0, 1))
    page = await store.reader.page(wanted, 10, 0)
    assert expected == [each.spec.id for each in page.workloads]


async def test_early_cancellations_wait_and_expire(store: Store) -> None:
    """The newest reason counts; what has expired is forgotten."""
    for reason in ("first", "second"):
        await store.writer.execute(CancelWorkloads(["w"], reason, {}, NOW))
    read = Do(lambda unit: unit.cancellations.reason("w"))
    assert "second" == await store.writer.execute(read)
    assert 0 == await store.writer.execute(ForgetCancellations(NOW))
    assert 1 == await store.writer.execute(ForgetCancellations(NOW + timedelta(days=8)))
    assert None is await store.writer.execute(read)


async def test_the_inventory_is_kept_in_its_order(store: Store) -> None:
    """Nodes as they are configured, pools by name; a node in use is known as such."""
    nodes = [
        Node(f"n{9 - at}", f"n{9 - at}", "p", "l", ResourceType.GPU, "T4", 1) for at in range(3)
    ]
    pools = [replace(POOL, name="z"), replace(POOL, name="a")]
    await store.writer.execute(SyncInventory(pools, nodes))
    assert nodes == list((await store.reader.snapshot()).nodes)
    assert ["a", "z"] == [pool.name for pool in await store.reader.pools()]
    await store.writer.execute(EnqueueWorkloads([workload("w")], NOW))
    await start(store, planned("w", 0, node="n8"))
    in_use = await store.writer.execute(Do(lambda unit: unit.inventory.in_use()))
    assert {"n8"} == in_use
    await store.writer.execute(SyncInventory(pools, nodes[1:]))
    assert nodes[1:] == list((await store.reader.snapshot()).nodes)


async def test_events_come_back_as_they_were(database_store: Store) -> None:
    """In the log, in the order in which they were appended, one change for one command."""
    store = database_store
    await fill(store, FULL)
    (running,) = await start(store, planned("full", 0, 1))
    await store.writer.execute(FinishWorkloads([result(running, 3)], LATER))
    assert store.log is not None
    recorded = await store.log.read(0)
    assert [
        WorkloadQueued("full", "j1", FULL.spec),
        WorkloadStarted("full", "j1", "allocation of full", placement(0, 1)),
        WorkloadFinished("full", "j1", SUCCEEDED, 6_000),
    ] == [decode_event(event.kind, event.payload) for event in recorded]
    assert ["full"] * 3 == [event.subject for event in recorded]


@pytest.mark.parametrize(
    "overdraft",
    [
        DEVICES.update().values(free_milli=DEVICES.c.free_milli - 1001),
        DEVICES.update().values(free_milli=DEVICES.c.free_milli + 1),
        NODES.update().values(free_vcpus=-1),
        NODES.update().values(free_memory_gb=-1),
    ],
)
async def test_the_database_itself_refuses_an_overdraft(
    database_store: Store, overdraft: sa.Update
) -> None:
    """Whatever program writes: no device, core or byte beyond what there is."""
    await fill(database_store)
    assert database_store.database is not None
    with (
        pytest.raises(sa.exc.IntegrityError),
        database_store.database.writing.begin() as connection,
    ):
        connection.execute(overdraft)


async def test_a_snapshot_tells_the_latest_that_ran(store: Store) -> None:
    """In the order of their ends; neither what never ran nor what still does."""
    names = ("a", "b", "waits")
    await fill(store, *(workload(name) for name in names))
    await store.writer.execute(CancelWorkloads(["waits"], "", {}, NOW))
    a, b = await start(store, planned("a", 0), planned("b", 1))
    later = NOW + timedelta(seconds=5)
    await store.writer.execute(FinishWorkloads([result(b)], later))
    assert ["b"] == [it.spec.id for it in (await store.reader.snapshot()).past]
    ran = {a.allocation_id: timedelta(seconds=7)}
    await store.writer.execute(CancelWorkloads(["a"], "", ran, later + timedelta(seconds=1)))
    snapshot = await store.reader.snapshot()
    assert ["b", "a"] == [it.spec.id for it in snapshot.past]
    assert ([], []) == (list(snapshot.running), list(snapshot.queued))
