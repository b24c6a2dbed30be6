"""Why work waits, when it will start, and what a workload could expect, over the wire."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gpuaas.scheduler.v1 import resource_pb2, workload_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling.record import replay
from servicekit.errors import InvalidArgument, NotFound, OutOfRange
from tests.service.scheduler_service.conftest import House, Kind, Open, seen, workload

QUEUED, STARTED = Kind.KIND_QUEUED, Kind.KIND_STARTED
HOUR = 3600
ALL = resource_pb2.ResourceSpec(gpu_type="V100", count=4)
HALF = resource_pb2.ResourceSpec(gpu_type="V100", count=2)


def expected(message: workload_pb2.Workload, seconds: float) -> workload_pb2.Workload:
    """The workload, of which its submitter expects so many virtual seconds."""
    message.estimated_duration.FromTimedelta(timedelta(seconds=seconds))
    return message


async def explain(house: House, workload_id: str) -> pb.Explanation:
    """Asks why a workload waits."""
    request = pb.ExplainWorkloadRequest(workload_id=workload_id)
    return (await house.scheduler.ExplainWorkload(request)).explanation


async def full(house: House) -> None:
    """Fills the V100s and queues two workloads behind that."""
    running = expected(workload("running", HOUR, resources=ALL), HOUR)
    await house.enqueue(
        running,
        expected(workload("first", HOUR, resources=ALL), HOUR),
        workload("second", HOUR, resources=HALF),
    )
    await house.watch(seen(QUEUED, STARTED, of="running"))


async def test_a_waiting_workload_is_explained(house: House) -> None:
    """One reason, the place in the queue, what blocks, what would help, and a predicted start."""
    await full(house)
    reason = await explain(house, "first")
    assert pb.Explanation.KIND_RESOURCES == reason.kind
    assert "needs 4 x V100; 0 free on one node" == reason.message
    assert (1, 2, "research") == (reason.position, reason.queue_length, reason.pool)
    assert "gpu:V100" == reason.constraint
    assert reason.remedy.startswith("4 more V100 in research, or the end of running, about ")
    assert ["running"] == list(reason.blocking_workload_ids)
    # One minute: an hour passes sixty times as fast.
    wait = reason.start_earliest.ToDatetime() - reason.update_time.ToDatetime()
    assert timedelta() < wait <= timedelta(minutes=1)
    assert reason.start_earliest.ToDatetime() <= reason.start_latest.ToDatetime()


async def test_what_does_not_wait_and_what_is_not_known(house: House) -> None:
    """A running and an ended workload do not wait; an unknown one is not found."""
    await full(house)
    await house.enqueue(workload("ended"))
    await house.ended(["ended"])
    for workload_id in ("running", "ended"):
        assert pb.Explanation.KIND_NOT_WAITING == (await explain(house, workload_id)).kind
    with pytest.raises(NotFound) as raised:
        await explain(house, "nobody")
    assert "WORKLOAD_NOT_FOUND" == raised.value.reason


async def test_the_past_is_not_kept(house: House) -> None:
    """A time in the past is refused rather than answered with the present."""
    await full(house)
    request = pb.ExplainWorkloadRequest(workload_id="first")
    request.at_time.FromSeconds(1)
    with pytest.raises(OutOfRange) as raised:
        await house.scheduler.ExplainWorkload(request)
    assert "HISTORY_EXPIRED" == raised.value.reason


async def test_many_are_explained_at_once(house: House) -> None:
    """In the order of the ids; those that are not known are left out."""
    await full(house)
    request = pb.BatchExplainWorkloadsRequest(workload_ids=["second", "nobody", "first", "running"])
    answers = (await house.scheduler.BatchExplainWorkloads(request)).explanations
    kinds = pb.Explanation
    assert [
        ("second", kinds.KIND_RESOURCES, 2),
        ("first", kinds.KIND_RESOURCES, 1),
        ("running", kinds.KIND_NOT_WAITING, 0),
    ] == [(each.workload_id, each.kind, each.position) for each in answers]


async def test_a_quote_says_what_a_submit_would_bring(house: House) -> None:
    """At once on what is free, later behind others, never where it does not fit; sooner ways."""
    await full(house)
    now = await house.scheduler.QuoteWorkload(pb.QuoteWorkloadRequest(workload=workload("")))
    assert pb.QuoteWorkloadResponse.VERDICT_STARTS_NOW == now.verdict
    assert 1 == len(now.placement.slices)
    later = await house.scheduler.QuoteWorkload(
        pb.QuoteWorkloadRequest(workload=workload("", resources=ALL))
    )
    assert pb.QuoteWorkloadResponse.VERDICT_WAITS == later.verdict
    assert pb.Explanation.KIND_RESOURCES == later.explanation.kind
    assert "Take any device model." == later.options[0].message
    assert "" == later.options[0].resources.gpu_type
    # Nobody says how long it takes, so that its price is only known for an hour.
    assert not later.HasField("cost_low")
    assert (1_200_000, "USD") == (
        later.hourly_price_high.micros,
        later.hourly_price_high.currency_code,
    )
    assert "research" == later.pool
    never = await house.scheduler.QuoteWorkload(
        pb.QuoteWorkloadRequest(workload=workload("", resources={"count": 1000}))
    )
    assert pb.QuoteWorkloadResponse.VERDICT_NEVER_FITS == never.verdict
    assert pb.Explanation.KIND_EXCEEDS_POOL == never.explanation.kind
    assert 2 == (await explain(house, "first")).queue_length


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pool": "nowhere"}, "POOL_UNKNOWN"),
        ({"provider": "nobody"}, "PROVIDER_UNKNOWN"),
        ({"resources": {"gpu_type": "nothing"}}, "GPU_TYPE_UNKNOWN"),
    ],
)
async def test_a_quote_names_what_does_not_exist(
    house: House, fields: dict[str, Any], reason: str
) -> None:
    """Such a quote is refused with the reason."""
    await full(house)
    request = pb.QuoteWorkloadRequest(workload=workload("", **fields))
    with pytest.raises(InvalidArgument) as raised:
        await house.scheduler.QuoteWorkload(request)
    assert reason == raised.value.reason


async def test_a_higher_priority_preempts_where_the_policy_says_so(
    open_house: Open, tmp_path: Path, inventory: Callable[[str], Path]
) -> None:
    """The preempted workload is over, with its preemptor and cause; the other runs in its place."""
    policy = tmp_path / "policy.toml"
    policy.write_text("[preemption]\nby_priority = true\nminimum_runtime = 0\n")
    one = inventory('[pools.p]\n[[pools.p.nodes]]\ngpu_type = "A100"\ndevices = 1\n')
    async with open_house(policy=policy, inventory=one) as house:
        await house.enqueue(workload("low", 24 * HOUR, preemptible=True))
        await house.watch(seen(QUEUED, STARTED, of="low"))
        high = workload("high", priority_class=resource_pb2.PRIORITY_CLASS_HIGH)
        await house.enqueue(high)
        events = await house.watch(seen(QUEUED, STARTED, Kind.KIND_FINISHED, of="high"))
        stopped = [it for it in events if it.workload_id == "low"][-1]
        assert Kind.KIND_PREEMPTED == stopped.kind
        assert ("high", workload_pb2.PREEMPTION_CAUSE_PRIORITY) == (
            stopped.preemptor_id,
            stopped.preemption_cause,
        )
        assert stopped.used_milli_gpu_seconds > 0
        state = (await house.get("low")).state
        assert workload_pb2.WORKLOAD_STATE_PREEMPTED == state
        assert 1 == (await house.pools())["p"].devices[0].free_devices


async def test_figures_of_queue_devices_and_speed(house: House) -> None:
    """What waits and runs now, what is in use, and what happened in the last hour."""
    await full(house)
    await house.enqueue(workload("ended"))
    await house.ended(["ended"])
    figures = await house.scheduler.GetSchedulingMetrics(pb.GetSchedulingMetricsRequest())
    assert (2, 1, 1) == (
        figures.queued_workloads,
        figures.running_workloads,
        figures.finished_workloads,
    )
    assert (16_000, 4_000, 0.25) == (
        figures.total_milli_gpus,
        figures.used_milli_gpus,
        figures.utilisation,
    )
    assert figures.oldest_wait.ToTimedelta() > timedelta()
    assert figures.mean_cycle.ToTimedelta() > timedelta()
    assert figures.decisions_per_second > 0
    assert [("local", 1, 1.0)] == [
        (it.provider, it.running_workloads, it.success_rate) for it in figures.providers
    ]
    elsewhere = await house.scheduler.GetSchedulingMetrics(
        pb.GetSchedulingMetricsRequest(pool="training")
    )
    assert (0, 8_000, 0) == (
        elsewhere.queued_workloads,
        elsewhere.total_milli_gpus,
        elsewhere.used_milli_gpus,
    )


async def test_the_past_is_explained_where_decisions_are_kept(
    open_house: Open, tmp_path: Path
) -> None:
    """What a workload waited for then is told, also after it has started and after a restart."""
    logs = tmp_path / "decisions"
    async with open_house(decision_log=logs) as house:
        await full(house)
        past = (await explain(house, "first")).update_time
        await house.cancel("running")
        await house.watch(seen(QUEUED, STARTED, of="first"))
    async with open_house(decision_log=logs) as house:
        request = pb.ExplainWorkloadRequest(workload_id="first", at_time=past)
        found = (await house.scheduler.ExplainWorkload(request)).explanation
        assert pb.Explanation.KIND_RESOURCES == found.kind
        assert ["running"] == list(found.blocking_workload_ids)
        assert past == found.update_time
        assert pb.Explanation.KIND_NOT_WAITING == (await explain(house, "first")).kind
    assert 2 == len(list(logs.iterdir()))
    for path in logs.iterdir():
        with path.open() as lines:
            assert replay(lines, History()).difference is None
