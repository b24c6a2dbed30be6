"""The live engine in a service's words: order, gangs, shares, refusals, preemption, answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_service.domain.engine import (
    Cancelled,
    Finished,
    NodeUp,
    Placed,
    Start,
    Submitted,
)
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.scheduling.decisions import RefusalReason
from scheduler_service.domain.scheduling.explain import ReasonKind
from scheduler_service.domain.scheduling.policy import HeadRule, Policy, PreemptionRules
from scheduler_service.domain.scheduling.quote import Verdict
from scheduler_service.domain.scheduling.steps import finished
from scheduler_service.domain.spec import PriorityClass, WorkloadSpec

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAIN = Policy(order=("fifo",), head=HeadRule.BLOCK, placement="first_fit")


def node(name: str, devices: int = 8, **fields: Any) -> Node:
    """A node of the pool `p`."""
    defaults: dict[str, Any] = {
        "pool": "p",
        "provider": "local",
        "resource_type": ResourceType.GPU,
        "gpu_type": "A100",
    }
    return Node(id=name, name=name, devices=devices, **defaults | fields)


def spec(workload_id: str, pool: str = "", provider: str = "", **demand: Any) -> WorkloadSpec:
    """A workload that asks for these resources."""
    return WorkloadSpec(id=workload_id, pool=pool, provider=provider, demand=Demand(**demand))


def engine(*nodes: Node) -> LiveEngine:
    """An engine over these nodes."""
    return with_policy(PLAIN, *nodes)


def with_policy(policy: Policy, *nodes: Node, speed: float = 1.0) -> LiveEngine:
    """An engine over these nodes that follows a policy."""
    it = LiveEngine({"": policy}, speed=speed)
    for each in nodes:
        it.apply(NodeUp(each))
    return it


def started(it: LiveEngine) -> list[str]:
    """The ids of what the next plan starts."""
    return [start.workload_id for start in it.plan(NOW).starts]


def places(start: Start) -> list[tuple[str, list[tuple[int, int]]]]:
    """For each node, the devices and shares that a start holds."""
    return [
        (part.node, [(device.index, device.milli_gpu) for device in part.devices])
        for part in start.placement.slices
    ]


def test_workloads_start_in_the_order_of_their_arrival() -> None:
    """The oldest goes first, on the first node and its lowest devices."""
    it = engine(node("n0", 2), node("n1", 2))
    for name in ("a", "b", "c"):
        it.apply(Submitted(spec(name), NOW))
    starts = it.plan(NOW).starts
    assert ["a", "b", "c"] == [start.workload_id for start in starts]
    assert [("n0", [(0, 1000)])] == places(starts[0])
    assert [("n0", [(1, 1000)])] == places(starts[1])
    assert [("n1", [(0, 1000)])] == places(starts[2])


def test_a_blocked_head_holds_back_its_pool_and_no_other() -> None:
    """Nothing overtakes within a pool, though it would fit; another pool goes on."""
    it = engine(node("n0", 4), node("m0", 4, pool="q"))
    it.apply(Submitted(spec("running", "p", count=3), NOW))
    it.apply(Submitted(spec("large", "p", count=4), NOW))
    it.apply(Submitted(spec("small", "p"), NOW))
    it.apply(Submitted(spec("elsewhere", "q"), NOW))
    assert ["running", "elsewhere"] == started(it)
    it.apply(Finished("running"))
    assert ["large"] == started(it)
    it.apply(Finished("large"))
    assert ["small"] == started(it)


def test_a_cancelled_head_lets_the_next_one_through() -> None:
    """Cancelling what blocks the queue is a change like any other."""
    it = engine(node("n0", 4))
    it.apply(Submitted(spec("running", count=3), NOW))
    it.apply(Submitted(spec("large", count=4), NOW))
    it.apply(Submitted(spec("small"), NOW))
    assert ["running"] == started(it)
    it.apply(Cancelled("large"))
    assert ["small"] == started(it)


def test_a_start_that_does_not_take_place_gives_its_devices_back() -> None:
    """A decision counts as done until it is told as cancelled."""
    it = engine(node("n0", 1))
    it.apply(Submitted(spec("a"), NOW))
    it.apply(Submitted(spec("b"), NOW))
    assert ["a"] == started(it)
    it.apply(Cancelled("a"))
    assert ["b"] == started(it)


def test_a_gang_takes_whole_nodes_together_or_waits() -> None:
    """Each of its nodes is another one, and none is held while it waits."""
    it = engine(node("n0", 4), node("n1", 4), node("n2", 4))
    it.apply(Submitted(spec("one", count=1), NOW))
    assert ["one"] == started(it)
    it.apply(Submitted(spec("three", count=4, nodes=3), NOW))
    assert [] == started(it)
    assert 11_000 == it.pools()[0].devices[0].free_milli
    it.apply(Finished("one"))
    gang = it.plan(NOW).starts[0]
    assert ["n0", "n1", "n2"] == [name for name, _ in places(gang)]
    assert {4} == {len(devices) for _, devices in places(gang)}


def test_a_gang_stays_with_one_model() -> None:
    """Nodes of another model do not complete it."""
    it = engine(node("a0", 4), node("t0", 4, gpu_type="T4"), node("t1", 4, gpu_type="T4"))
    it.apply(Submitted(spec("any model", count=4, nodes=2), NOW))
    assert ["t0", "t1"] == [name for name, _ in places(it.plan(NOW).starts[0])]


def test_shares_of_devices_fill_the_tightest_device_first() -> None:
    """Two shares stand on one device where they fit; a third takes the next."""
    it = engine(node("n0", 2))
    for name in ("a", "b", "c"):
        it.apply(Submitted(spec(name, milli_per_device=400), NOW))
    it.apply(Submitted(spec("d", milli_per_device=600), NOW))
    placed = [places(start)[0][1] for start in it.plan(NOW).starts]
    assert [[(0, 400)], [(0, 400)], [(1, 400)], [(1, 600)]] == placed


def test_a_share_leaves_no_room_for_a_whole_device() -> None:
    """A device that is partly held is not whole."""
    it = engine(node("n0", 1))
    it.apply(Submitted(spec("share", milli_per_device=1), NOW))
    it.apply(Submitted(spec("whole"), NOW))
    assert ["share"] == started(it)
    it.apply(Finished("share"))
    assert ["whole"] == started(it)


def test_cores_and_memory_are_limits_where_a_node_has_them() -> None:
    """They bind on a node that states them and nowhere else; 0 asks for none."""
    it = engine(node("small", 8, vcpus=4, memory_gb=16))
    it.apply(Submitted(spec("a", vcpus=3, memory_gb=8), NOW))
    it.apply(Submitted(spec("b", vcpus=2), NOW))
    assert ["a"] == started(it)
    it.apply(Finished("a"))
    assert ["b"] == started(it)
    unlimited = engine(node("large", 8))
    unlimited.apply(Submitted(spec("c", vcpus=10_000, memory_gb=10_000), NOW))
    assert ["c"] == started(unlimited)


def test_work_on_cores_prefers_nodes_without_devices() -> None:
    """Count is cores then, and no device is held."""
    bare = node("bare", 0, vcpus=4, resource_type=ResourceType.CPU, gpu_type="")
    it = engine(node("devices", 8, vcpus=8), bare)
    it.apply(Submitted(spec("a", resource_type=ResourceType.CPU, count=3), NOW))
    it.apply(Submitted(spec("b", resource_type=ResourceType.CPU, count=3), NOW))
    assert [[("bare", [])], [("devices", [])]] == [places(it_) for it_ in it.plan(NOW).starts]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"gpu_type": "T4"}, "t4"),
        ({"gpu_type": "H100", "alternative_gpu_types": ("T4", "A100")}, "t4"),
        ({"gpu_type": "T4", "device_memory_gb": 40}, None),
        ({"device_memory_gb": 40}, "a100"),
        ({"node_labels": (("zone", "b"),)}, "t4"),
        ({"resource_type": ResourceType.TPU}, None),
    ],
)
def test_devices_are_those_asked_for(wanted: dict[str, Any], expected: str | None) -> None:
    """Model, alternatives in their order, memory, labels and kind of device restrict the choice."""
    it = engine(
        node("a100", device_memory_gb=80),
        node("t4", gpu_type="T4", device_memory_gb=16, labels=(("zone", "b"),)),
    )
    it.apply(Submitted(spec("a", **wanted), NOW))
    starts = it.plan(NOW).starts
    assert expected == (starts[0].placement.slices[0].node if starts else None)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (spec("w", pool="nowhere"), RefusalReason.MISCONFIGURED),
        (spec("w", provider="nobody"), RefusalReason.MISCONFIGURED),
        (spec("w", gpu_type="H100"), RefusalReason.MISCONFIGURED),
        (spec("w", count=9), RefusalReason.EXCEEDS_POOL),
        (spec("w", nodes=2), RefusalReason.EXCEEDS_POOL),
        (spec("w", vcpus=33), RefusalReason.EXCEEDS_POOL),
        (spec("w", node_labels=(("zone", "x"),)), RefusalReason.EXCEEDS_POOL),
    ],
)
def test_what_can_never_run_is_refused(wanted: WorkloadSpec, reason: RefusalReason) -> None:
    """At the next plan, once, with the first reason that applies; the queue goes on."""
    it = engine(node("n0", 8, vcpus=32))
    it.apply(Submitted(wanted, NOW))
    it.apply(Submitted(spec("next"), NOW))
    decisions = it.plan(NOW)
    assert [(wanted.id, reason)] == [(each.workload_id, each.reason) for each in decisions.refusals]
    assert ["next"] == [start.workload_id for start in decisions.starts]
    assert not it.plan(NOW)


def test_a_workload_without_a_pool_waits_in_the_first_that_could_ever_hold_it() -> None:
    """A busy pool is still the first one; a pool that is too small is not."""
    it = engine(node("small", 2), node("large", 8, pool="q"), node("other", 8, pool="r"))
    for name in ("a", "b"):
        it.apply(Submitted(spec(name, count=8), NOW))
    assert ["large"] == [start.placement.slices[0].node for start in it.plan(NOW).starts]
    assert {"p": 0, "q": 1, "r": 0} == {pool.name: pool.queued for pool in it.pools()}


def test_a_retired_node_keeps_its_work_and_gets_none() -> None:
    """It does not count as capacity either."""
    it = engine(node("old", 8, retired=True), node("new", 1))
    other = engine(node("old", 8))
    other.apply(Submitted(spec("kept", count=2), NOW))
    it.apply(Placed(spec("kept", count=2), other.plan(NOW).starts[0].placement, NOW))
    it.apply(Submitted(spec("too large", count=2), NOW))
    it.apply(Submitted(spec("fits"), NOW))
    decisions = it.plan(NOW)
    assert ["too large"] == [each.workload_id for each in decisions.refusals]
    assert ["new"] == [start.placement.slices[0].node for start in decisions.starts]
    it.apply(Finished("kept"))
    assert (1, 1000, 0) == (it.pools()[0].nodes, it.pools()[0].devices[0].total_milli, 0)


def test_a_rebuilt_engine_goes_on_like_the_first() -> None:
    """Told of what runs and what waits, it decides what the first would have decided."""
    first = engine(node("n0", 4), node("n1", 4))
    waiting = [spec("a", count=3), spec("b", count=3), spec("c", count=2), spec("d")]
    for each in waiting:
        first.apply(Submitted(each, NOW))
    running = {start.workload_id: start.placement for start in first.plan(NOW).starts}
    second = engine(node("n0", 4), node("n1", 4))
    for each in waiting:
        if each.id in running:
            second.apply(Placed(each, running[each.id], NOW))
    for each in waiting:
        if each.id not in running:
            second.apply(Submitted(each, NOW))
    assert not second.plan(NOW)
    for it in (first, second):
        it.apply(Finished("b"))
    assert first.plan(NOW) == second.plan(NOW)
    assert first.pools() == second.pools()


def test_events_that_were_heard_before_change_nothing() -> None:
    """A repeated arrival, or the end of what is not known, is passed over."""
    it = engine(node("n0", 1))
    for _ in range(2):
        it.apply(Submitted(spec("a"), NOW))
    it.apply(Finished("unknown"))
    it.apply(Cancelled("unknown"))
    assert ["a"] == started(it)
    it.apply(Submitted(spec("a"), NOW))
    assert [] == started(it)


def test_a_blocked_queue_costs_nothing_while_nothing_changes() -> None:
    """Ten thousand arrivals behind a blocked head lead to no second look at it."""
    it = engine(node("n0", 1))
    it.apply(Submitted(spec("a"), NOW))
    it.apply(Submitted(spec("b"), NOW))
    assert ["a"] == started(it)
    placement = it._engine.pools["p"].placement
    looks, place = 0, placement.place

    def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return place(*arguments)

    placement.place = counted  # type: ignore[method-assign, assignment]
    for number in range(10_000):
        it.apply(Submitted(spec(f"w{number}"), NOW))
        it.plan(NOW)
    assert 0 == looks
    it.apply(Finished("a"))
    assert ["b"] == started(it)
    assert 2 == looks


def test_a_preempted_workload_is_over() -> None:
    """It is told with its cause, and does not come back by itself."""
    rules = PreemptionRules(by_priority=True, minimum_runtime=0)
    it = with_policy(Policy(preemption=rules), node("n0", 1))
    low = WorkloadSpec(id="low", preemptible=True, priority_class=PriorityClass.LOW)
    it.apply(Submitted(low, NOW))
    assert ["low"] == started(it)
    it.apply(Submitted(WorkloadSpec(id="high", priority_class=PriorityClass.HIGH), NOW))
    decisions = it.plan(NOW)
    assert [("low", "high", PreemptionCause.PRIORITY)] == [
        (each.workload_id, each.preemptor_id, each.cause) for each in decisions.preemptions
    ]
    assert ["high"] == [start.workload_id for start in decisions.starts]
    it.apply(Finished("high"))
    assert [] == started(it)


def test_the_engine_says_when_it_wants_to_be_asked_again() -> None:
    """When a run may be preempted only later, that is the time."""
    rules = PreemptionRules(by_priority=True, minimum_runtime=10_000_000)
    it = with_policy(Policy(preemption=rules), node("n0", 1))
    it.apply(Submitted(WorkloadSpec(id="low", preemptible=True), NOW))
    it.plan(NOW)
    assert it.wake() is None
    it.apply(Submitted(WorkloadSpec(id="high", priority_class=PriorityClass.HIGH), NOW))
    it.plan(NOW)
    assert NOW + timedelta(seconds=10) == it.wake()
    assert ["high"] == [each.workload_id for each in it.plan(NOW + timedelta(seconds=10)).starts]


def test_reasons_and_quotes_speak_of_the_clock() -> None:
    """Durations pass faster than the clock by the engine's speed; answers are in real time."""
    it = with_policy(PLAIN, node("n0", 2), speed=60.0)
    hour = timedelta(hours=1)
    it.apply(Submitted(WorkloadSpec(id="a", demand=Demand(count=2), estimated_duration=hour), NOW))
    it.apply(Submitted(WorkloadSpec(id="b", demand=Demand(count=1)), NOW))
    it.plan(NOW)
    (reason,) = finished(it.explain(["b"], NOW))
    assert ReasonKind.RESOURCES is reason.kind
    assert "1 more GPU in p, or the end of a, about 00:01" == reason.remedy
    assert NOW + timedelta(minutes=1) == reason.start_earliest == reason.start_latest
    quote = finished(it.quote(WorkloadSpec(id="", demand=Demand(count=1)), NOW))
    assert (Verdict.WAITS, reason.start_earliest) == (quote.verdict, quote.start_p50)
    it.apply(Finished("a"))
    it.plan(NOW)
    placed = finished(it.quote(WorkloadSpec(id="", demand=Demand(count=1)), NOW)).placement
    assert placed is not None
    assert ("n0", 1) == (placed.slices[0].node, placed.slices[0].devices[0].index)
