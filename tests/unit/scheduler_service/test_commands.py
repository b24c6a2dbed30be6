"""What each command changes, and what it refuses to change."""

from datetime import timedelta

import pytest

from scheduler_service.application.commands import (
    CANCELLATION_KEPT,
    CancelKind,
    CancelWorkloads,
    EnqueueWorkloads,
    FinishWorkloads,
    ForgetCancellations,
    StartWorkloads,
)
from scheduler_service.application.inventory import InventoryChange, SyncInventory
from scheduler_service.domain.engine import Refuse
from scheduler_service.domain.errors import DeviceTaken, WorkloadDiffers
from scheduler_service.domain.events import (
    WorkloadCancelled,
    WorkloadFinished,
    WorkloadQueued,
    WorkloadRefused,
    WorkloadStarted,
)
from scheduler_service.domain.scheduling.decisions import RefusalReason
from scheduler_service.domain.spec import Simulation
from scheduler_service.domain.workload import WorkloadState, used_milli_gpu_seconds
from servicekit.values import replace
from tests.fakes.scheduler_service import FakeStore
from tests.scheduler_examples import (
    LATER,
    NODE,
    NOW,
    POOL,
    SUCCEEDED,
    gang,
    placement,
    planned,
    result,
    start,
    store,
    workload,
)


def kinds(it: FakeStore) -> list[type]:
    """The kinds of all events so far."""
    return [type(event) for event in it.unit.events.appended]


def test_an_enqueued_workload_waits() -> None:
    """Its arrival is told with everything a decision may depend on."""
    it = store()
    answers = it.execute_now(EnqueueWorkloads([workload()], NOW))
    assert [(workload(), False, None)] == [(x.workload, x.known, x.failure) for x in answers]
    assert [WorkloadQueued("w", "j", workload().spec)] == it.unit.events.appended


def test_enqueueing_again_changes_nothing_and_answers_how_it_stands() -> None:
    """Also when it runs by now, within one batch, and from another request."""
    it = store(workload())
    start(it, planned("w", 0))
    again = replace(workload(), enqueued_at=LATER, traceparent="another")
    answers = it.execute_now(EnqueueWorkloads([again, workload("x"), workload("x")], LATER))
    assert [True, False, True] == [answer.known for answer in answers]
    assert WorkloadState.RUNNING is answers[0].workload.state
    assert [WorkloadQueued, WorkloadStarted, WorkloadQueued] == kinds(it)


def test_the_same_id_with_other_content_is_refused_alone() -> None:
    """Program, demand and simulation are content; the neighbours in the batch are queued."""
    it = store(workload())
    other = replace(workload(), simulation=Simulation(exit_code=1))
    answers = it.execute_now(EnqueueWorkloads([other, workload("x")], NOW))
    assert isinstance(answers[0].failure, WorkloadDiffers)
    assert answers[1].failure is None
    assert workload() == it.unit.workloads.get("w")


def test_a_started_workload_holds_its_devices() -> None:
    """Workload, allocation, devices and event change together."""
    it = store(workload())
    dispatched = start(it, planned("w", 1, vcpus=3))
    assert ["w"] == [each.spec.id for each in dispatched.started]
    running = it.unit.workloads.get("w")
    assert running is not None
    assert (WorkloadState.RUNNING, NOW) == (running.state, running.started_at)
    assert {("n0", 0): 1000, ("n0", 1): 0} == it.unit.allocations.free_devices
    assert [5, 64] == it.unit.allocations.free_beside["n0"]
    expected = WorkloadStarted("w", "j", "allocation of w", placement(1, vcpus=3))
    assert expected == it.unit.events.appended[-1]


def test_a_device_cannot_be_given_to_two_workloads() -> None:
    """Should the engine err, nothing of its decisions is carried out."""
    it = store(workload("a"), workload("b"))
    with pytest.raises(DeviceTaken):
        start(it, planned("a", 0), planned("b", 0))
    assert {} == it.unit.allocations.live
    start(it, planned("a", 0, milli=600))
    with pytest.raises(DeviceTaken):
        start(it, planned("b", 0, milli=600))


def test_cores_cannot_be_given_to_two_workloads() -> None:
    """What a node has beside its devices is guarded likewise."""
    it = store(workload("a"), workload("b"))
    start(it, planned("a", 0, vcpus=5))
    with pytest.raises(DeviceTaken):
        start(it, planned("b", 1, vcpus=5))


def test_a_decision_for_a_workload_that_no_longer_waits_is_skipped() -> None:
    """It was cancelled meanwhile, or runs already; the others start."""
    it = store(workload("a"), workload("b"), workload("c"))
    it.execute_now(CancelWorkloads(["a"], "", {}, NOW))
    start(it, planned("b", 0))
    dispatched = start(it, planned("a", 1), planned("b", 1), planned("c", 1))
    assert ["a", "b"] == dispatched.skipped
    assert ["c"] == [each.spec.id for each in dispatched.started]


def test_a_refused_workload_ends_with_a_reason() -> None:
    """Unless it has ended before."""
    it = store(workload("a"), workload("b"))
    it.execute_now(CancelWorkloads(["b"], "", {}, NOW))
    refusals = [Refuse(each, RefusalReason.EXCEEDS_POOL, "too large") for each in ("a", "b", "?")]
    it.execute_now(StartWorkloads((), refusals, NOW))
    assert WorkloadRefused("a", "j", "EXCEEDS_POOL", "too large") == it.unit.events.appended[-1]
    assert 1 == kinds(it).count(WorkloadRefused)


def test_a_finished_run_ends_its_workload_and_frees_its_devices() -> None:
    """What it used is nodes x devices x share x the seconds that its backend measured."""
    it = store(workload())
    running = start(it, planned("w", 0, 1)).started[0]
    stale = it.execute_now(FinishWorkloads([result(running, 90)], LATER))
    assert 0 == stale
    assert WorkloadFinished("w", "j", SUCCEEDED, 90_000) == it.unit.events.appended[-1]
    assert {("n0", 0): 1000, ("n0", 1): 1000} == it.unit.allocations.free_devices
    ended = it.unit.workloads.get("w")
    assert ended is not None
    assert (WorkloadState.FINISHED, LATER, 90_000) == (
        ended.state,
        ended.ended_at,
        ended.used_milli_gpu_seconds,
    )


def test_a_stale_result_is_dropped() -> None:
    """The second report of one run, that of another allocation, that of a cancelled run."""
    it = store(workload("a"), workload("b"))
    first, second = start(it, planned("a", 0), planned("b", 1)).started
    foreign = replace(second, allocation_id="another")
    it.execute_now(CancelWorkloads(["b"], "", {}, NOW))
    results = [result(first), result(first), result(foreign), result(second)]
    assert 3 == it.execute_now(FinishWorkloads(results, LATER))
    assert 1 == kinds(it).count(WorkloadFinished)


def test_use_is_rounded_down_to_whole_units() -> None:
    """Two nodes of four halves for a second and a half are six GPU-seconds."""
    spec = workload(demand=gang(2, 4, 500)).spec
    assert 6_000 == used_milli_gpu_seconds(spec, timedelta(seconds=1.5))
    assert 0 == used_milli_gpu_seconds(spec, timedelta(microseconds=249))
    assert 1 == used_milli_gpu_seconds(spec, timedelta(microseconds=250))


def test_cancelling_answers_for_each_workload() -> None:
    """Waiting, running, cancelled before, finished and unknown ones, in one batch."""
    it = store(*(workload(name) for name in ("waiting", "running", "cancelled", "finished")))
    running, finished = start(it, planned("running", 0), planned("finished", 1)).started
    it.execute_now(FinishWorkloads([result(finished)], NOW))
    it.execute_now(CancelWorkloads(["cancelled"], "", {}, NOW))
    ids = ["waiting", "running", "cancelled", "finished", "unknown"]
    ran = {running.allocation_id: timedelta(seconds=30)}
    results = it.execute_now(CancelWorkloads(ids, "changed my mind", ran, LATER))
    cancelled = CancelKind.CANCELLED
    assert [
        cancelled,
        cancelled,
        cancelled,
        CancelKind.ALREADY_ENDED,
        CancelKind.NOT_FOUND,
    ] == [each.kind for each in results]
    assert [
        WorkloadCancelled("waiting", "j", "changed my mind", 0),
        WorkloadCancelled("running", "j", "changed my mind", 30_000),
    ] == it.unit.events.appended[-2:]
    assert {} == it.unit.allocations.live


def test_a_cancellation_that_comes_first_waits_for_its_workload() -> None:
    """The workload is queued and cancelled in one change, whoever enqueues it."""
    it = store()
    it.execute_now(CancelWorkloads(["w"], "too early", {}, NOW))
    answers = it.execute_now(EnqueueWorkloads([workload()], LATER))
    assert WorkloadState.CANCELLED is answers[0].workload.state
    assert [
        WorkloadQueued("w", "j", workload().spec),
        WorkloadCancelled("w", "j", "too early", 0),
    ] == it.unit.events.appended


def test_early_cancellations_are_forgotten_after_a_week() -> None:
    """Not before."""
    it = store()
    it.execute_now(CancelWorkloads(["w"], "", {}, NOW))
    assert 0 == it.execute_now(ForgetCancellations(NOW + CANCELLATION_KEPT))
    assert 1 == it.execute_now(ForgetCancellations(NOW + CANCELLATION_KEPT + timedelta(seconds=1)))


def test_inventory_nodes_come_and_go() -> None:
    """New ones are added, absent ones removed, and a repeat changes nothing."""
    it = store()
    n1 = replace(NODE, id="n1", name="n1")
    assert InventoryChange(1, 0, 0) == it.execute_now(SyncInventory([POOL], [NODE, n1]))
    assert InventoryChange(0, 0, 0) == it.execute_now(SyncInventory([POOL], [NODE, n1]))
    assert InventoryChange(0, 1, 0) == it.execute_now(SyncInventory([POOL], [n1]))
    assert [n1] == it.unit.inventory.nodes()


def test_a_node_in_use_is_retired_until_its_work_has_ended() -> None:
    """Absent or changed: what runs is never touched."""
    it = store(workload())
    running = start(it, planned("w", 0)).started[0]
    larger = replace(NODE, devices=4)
    assert InventoryChange(0, 0, 1) == it.execute_now(SyncInventory([POOL], [larger]))
    assert [replace(NODE, retired=True)] == it.unit.inventory.nodes()
    assert InventoryChange(0, 0, 1) == it.execute_now(SyncInventory([POOL], []))
    it.execute_now(FinishWorkloads([result(running)], NOW))
    assert InventoryChange(0, 1, 0) == it.execute_now(SyncInventory([POOL], [larger]))
    assert [larger] == it.unit.inventory.nodes()
    assert 4 == len(it.unit.allocations.free_devices)


def test_a_retired_node_that_is_wanted_again_takes_work_again() -> None:
    """Coming back is no change to what it has."""
    it = store(workload())
    start(it, planned("w", 0))
    it.execute_now(SyncInventory([POOL], []))
    assert InventoryChange(0, 0, 0) == it.execute_now(SyncInventory([POOL], [NODE]))
    assert [NODE] == it.unit.inventory.nodes()
