"""A workload's life, from the queue to its end, as a caller sees it."""

import pytest

from gpuaas.scheduler.v1 import inventory_service_pb2, workload_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from servicekit.errors import AlreadyExists, InvalidArgument, NotFound
from tests.service.scheduler_service.conftest import House, Kind, Open, seen, workload

State = workload_pb2.WorkloadState
Result = pb.CancelWorkloadResult
QUEUED, STARTED, FINISHED = Kind.KIND_QUEUED, Kind.KIND_STARTED, Kind.KIND_FINISHED
DAY = 24 * 3600


async def test_a_workload_is_queued_started_and_finished(house: House) -> None:
    """Each step is told by one event, with where it ran, how it ended and what it used."""
    results = await house.enqueue(workload("a", 7.2, resources={"gpu_type": "A100", "count": 2}))
    assert [pb.EnqueueResult.KIND_ACCEPTED] == [result.kind for result in results]
    events = await house.watch(seen(QUEUED, STARTED, FINISHED, of="a"))
    assert [1, 2, 3] == [event.revision for event in events]
    assert {"job of a"} == {event.job_id for event in events}
    assert "training" == events[1].placement.pool
    assert [0, 1] == [device.index for device in events[1].placement.slices[0].devices]
    assert workload_pb2.Outcome.KIND_SUCCEEDED == events[2].outcome.kind
    assert 2 * 7_200 == events[2].used_milli_gpu_seconds
    # Two A100s at 2.50 an hour for 7.2 seconds.
    assert (10_000, "USD") == (events[2].cost.micros, events[2].cost.currency_code)
    ended = await house.get("a")
    assert State.WORKLOAD_STATE_FINISHED == ended.state
    assert events[1].placement == ended.placement
    assert (2_500_000, 10_000) == (ended.hourly_price.micros, ended.cost.micros)
    assert ended.enqueue_time.ToNanoseconds() <= ended.start_time.ToNanoseconds()


async def test_a_failed_run_says_how_it_failed(house: House) -> None:
    """The exit code and the time limit come back with the last event."""
    failing, slow = workload("failing"), workload("slow", DAY)
    failing.simulation.exit_code = 3
    slow.max_runtime.FromSeconds(6)
    await house.enqueue(failing, slow)
    ended = await house.ended(["failing", "slow"])
    assert (workload_pb2.Outcome.KIND_USER_FAILED, 3) == (
        ended["failing"].outcome.kind,
        ended["failing"].outcome.exit_code,
    )
    assert workload_pb2.Outcome.KIND_TIMED_OUT == ended["slow"].outcome.kind
    assert 6_000 == ended["slow"].used_milli_gpu_seconds


async def test_enqueueing_again_is_harmless(house: House) -> None:
    """Alone or in a batch; other content under the same id is refused and changes nothing."""
    one = pb.EnqueueWorkloadRequest(workload=workload("a", DAY))
    first = await house.scheduler.EnqueueWorkload(one)
    assert not first.already_known
    await house.watch(seen(QUEUED, STARTED, of="a"))
    again = await house.scheduler.EnqueueWorkload(one)
    assert again.already_known
    assert State.WORKLOAD_STATE_RUNNING == again.workload.state
    with pytest.raises(AlreadyExists) as raised:
        await house.scheduler.EnqueueWorkload(
            pb.EnqueueWorkloadRequest(workload=workload("a", 2 * DAY))
        )
    assert "WORKLOAD_DIFFERS" == raised.value.reason
    results = await house.enqueue(workload("a", DAY), workload("a", 5), workload("b"))
    kinds = pb.EnqueueResult
    assert [
        (kinds.KIND_ALREADY_KNOWN, ""),
        (kinds.KIND_INVALID, "WORKLOAD_DIFFERS"),
        (kinds.KIND_ACCEPTED, ""),
    ] == [(result.kind, result.reason) for result in results]


async def test_waiting_running_and_ended_workloads_can_be_cancelled(house: House) -> None:
    """Each id has its own answer; the running one is charged for what it ran."""
    whole_node = {"gpu_type": "V100", "count": 4}
    await house.enqueue(
        workload("running", DAY, resources=whole_node),
        workload("waiting", DAY, resources=whole_node),
        workload("ended"),
    )
    await house.ended(["ended"])
    results = await house.cancel("running", "waiting", "ended", "unknown")
    assert [
        Result.KIND_CANCELLED,
        Result.KIND_CANCELLED,
        Result.KIND_ALREADY_ENDED,
        Result.KIND_NOT_FOUND,
    ] == [result.kind for result in results]
    ended = await house.ended(["running", "waiting"])
    assert {Kind.KIND_CANCELLED} == {event.kind for event in ended.values()}
    assert ended["running"].used_milli_gpu_seconds > 0
    assert 0 == ended["waiting"].used_milli_gpu_seconds
    await house.enqueue(workload("next", resources=whole_node))
    await house.ended(["next"])
    assert Result.KIND_CANCELLED == (await house.cancel("running"))[0].kind


async def test_a_cancellation_that_comes_first_is_not_lost(house: House) -> None:
    """The workload that comes later never runs."""
    request = pb.CancelWorkloadRequest(workload_id="a", reason="too early")
    response = await house.scheduler.CancelWorkload(request)
    assert Result.KIND_NOT_FOUND == response.result.kind
    await house.enqueue(workload("a"))
    events = await house.watch(seen(QUEUED, Kind.KIND_CANCELLED, of="a"))
    assert "too early" == events[-1].message


async def test_a_repeated_cancellation_gets_the_first_answer(house: House) -> None:
    """By its request id; the same id with another body is refused."""
    request_id = "0190aaaa-7a54-7a39-8a5e-000000000001"
    request = pb.CancelWorkloadRequest(workload_id="a", request_id=request_id)
    for _ in range(2):
        response = await house.scheduler.CancelWorkload(request)
        assert Result.KIND_NOT_FOUND == response.result.kind
        await house.enqueue(workload("a"))
    with pytest.raises(InvalidArgument) as raised:
        await house.scheduler.CancelWorkload(
            pb.CancelWorkloadRequest(workload_id="b", request_id=request_id)
        )
    assert "REQUEST_ID_REUSED" == raised.value.reason


async def test_what_can_never_run_is_refused(house: House) -> None:
    """It is accepted, and an event says why it ended; nothing behind it waits for it."""
    await house.enqueue(
        workload("model", resources={"gpu_type": "H100"}),
        workload("size", resources={"gpu_type": "T4", "count": 5}),
        workload("fits", resources={"gpu_type": "T4"}),
    )
    ended = await house.ended(["model", "size", "fits"])
    assert Kind.KIND_REFUSED == ended["model"].kind
    assert "There is no H100 in any pool." == ended["model"].message
    assert Kind.KIND_REFUSED == ended["size"].kind
    assert "No pool ever has 5 x T4." == ended["size"].message
    assert FINISHED == ended["fits"].kind


async def test_running_workloads_survive_a_restart(open_house: Open) -> None:
    """What runs goes on where it was, what waits keeps its place, and nothing happens twice."""
    whole_node = {"gpu_type": "V100", "count": 4}
    async with open_house(simulation_speed=1.0) as house:
        await house.enqueue(*(workload(name, 90, resources=whole_node) for name in "abc"))
        before = await house.watch(seen(QUEUED, STARTED, of="a"))
    async with open_house(simulation_speed=1000.0) as house:
        await house.ended("abc")
        events = await house.watch(seen(QUEUED, STARTED, FINISHED, of="c"))
        assert before == events[: len(before)]
        assert 9 == len(events) == events[-1].revision
        ended = [event for event in events if event.kind == FINISHED]
        assert ["a", "b", "c"] == [event.workload_id for event in ended]
        assert {4 * 90_000} == {event.used_milli_gpu_seconds for event in ended}


async def test_pools_show_what_is_free_now(house: House) -> None:
    """By name, with devices, cores, memory, and how many wait and run."""
    demand = {"gpu_type": "A100", "count": 8, "vcpus": 30, "memory_gb": 200}
    await house.enqueue(*(workload(name, DAY, resources=demand) for name in "ab"))
    await house.enqueue(
        workload("c", DAY, resources={"gpu_type": "T4", "milli_gpu_per_device": 250})
    )
    await house.watch(seen(QUEUED, STARTED, of="c"))
    pools = await house.pools()
    assert ["inference", "research", "training"] == list(pools)
    training, inference = pools["training"], pools["inference"]
    assert ("production", 1, 1, 1) == (
        training.environment,
        training.node_count,
        training.queued_workloads,
        training.running_workloads,
    )
    assert (32, 2, 256, 56) == (
        training.cpu_total,
        training.cpu_free,
        training.memory_gb_total,
        training.memory_gb_free,
    )
    (t4,) = inference.devices
    assert ("T4", 4_000, 3_750, 3) == (
        t4.gpu_type,
        t4.total_milli_gpus,
        t4.free_milli_gpus,
        t4.free_devices,
    )
    await house.cancel("a", "b", "c")
    await house.ended("abc")


async def test_pools_of_one_environment_can_be_asked_for(house: House) -> None:
    """The others are left out."""
    request = inventory_service_pb2.ListPoolsRequest(environment="development")
    response = await house.inventory.ListPools(request)
    assert ["research"] == [pool.name for pool in response.pools]


async def test_workloads_are_listed_in_pages(house: House) -> None:
    """In the order of arrival; a token of another filter is refused."""
    await house.enqueue(*(workload(f"w{number}") for number in range(5)))
    await house.ended(f"w{number}" for number in range(5))
    ids, token, last, pages = [], "", "", 0
    while token or not pages:
        request = pb.ListWorkloadsRequest(page_size=2, page_token=token)
        response = await house.scheduler.ListWorkloads(request)
        ids += [each.id for each in response.workloads]
        last, token, pages = token, response.next_page_token, pages + 1
    assert 3 == pages
    assert [f"w{number}" for number in range(5)] == ids
    with pytest.raises(InvalidArgument) as raised:
        await house.scheduler.ListWorkloads(pb.ListWorkloadsRequest(job_id="j", page_token=last))
    assert "PAGE_TOKEN_INVALID" == raised.value.reason


async def test_an_unknown_workload_is_not_found(house: House) -> None:
    """With its reason."""
    with pytest.raises(NotFound) as raised:
        await house.get("unknown")
    assert "WORKLOAD_NOT_FOUND" == raised.value.reason
