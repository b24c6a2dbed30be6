"""A workload's life, from the queue to its end, as a caller sees it."""

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from gpuaas.scheduler.v1 import workload_pb2
from tests.service.scheduler_service.conftest import House, Kind, seen, workload


async def test_a_workload_is_queued_started_and_finished(house: House) -> None:
    """Each step is told by one event, with where it ran, how it ended and what it used."""
    results = await house.enqueue(workload("a", 7.2, resources={"gpu_type": "A100", "count": 2}))

    assert [pb.EnqueueResult.KIND_ACCEPTED] == [result.kind for result in results]
    kinds = (Kind.KIND_QUEUED, Kind.KIND_STARTED, Kind.KIND_FINISHED)
    events = await house.watch(seen(*kinds, of="a"))
    assert [1, 2, 3] == [event.revision for event in events]
    assert "training" == events[1].placement.pool
    assert [0, 1] == [device.index for device in events[1].placement.slices[0].devices]
    assert workload_pb2.Outcome.KIND_SUCCEEDED == events[2].outcome.kind
    assert 2 * 7_200 == events[2].used_milli_gpu_seconds
