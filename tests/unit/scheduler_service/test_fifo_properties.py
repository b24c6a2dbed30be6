"""What holds after any history of arrivals, cancellations and ends."""

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_service.domain.engine import Cancelled, Finished, NodeUp, Start, Submitted
from scheduler_service.domain.fifo import FifoEngine
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.spec import WorkloadSpec

NOW = datetime(2026, 3, 1, tzinfo=UTC)

NODES = [
    Node(
        id=f"{pool}{number}",
        name=f"{pool}{number}",
        pool=pool,
        provider="local",
        resource_type=ResourceType.GPU,
        gpu_type="A100" if number % 2 else "T4",
        devices=devices,
        vcpus=16,
        memory_gb=64,
    )
    for pool, devices in (("p", 4), ("q", 2))
    for number in range(5)
]

demands = st.builds(
    Demand,
    gpu_type=st.sampled_from(["", "A100", "T4"]),
    count=st.integers(1, 4),
    vcpus=st.integers(0, 8),
    memory_gb=st.integers(0, 32),
    nodes=st.integers(1, 3),
) | st.builds(Demand, milli_per_device=st.integers(1, 999))
submits = st.tuples(st.just("submit"), demands, st.sampled_from(["", "p", "q"]))
ends = st.tuples(st.sampled_from(["finish", "cancel"]), st.integers(0, 30), st.none())
histories = st.lists(submits | ends | st.just(("plan", None, None)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(histories)
def test_books_are_never_overdrawn(history: list[tuple[str, object, object]]) -> None:
    """No device, core or byte is given twice, no gang starts in part, and nothing leaks."""
    engine = FifoEngine()
    for node in NODES:
        engine.apply(NodeUp(node))
    specs: list[WorkloadSpec] = []
    running: dict[str, Start] = {}
    order: dict[str, list[str]] = {"p": [], "q": []}
    for verb, argument, pool in history:
        if verb == "submit":
            assert isinstance(argument, Demand)
            spec = WorkloadSpec(id=f"w{len(specs)}", demand=argument, pool=str(pool))
            specs.append(spec)
            engine.apply(Submitted(spec))
        elif verb == "plan":
            for start in engine.plan(NOW).starts:
                assert start.workload_id not in running
                running[start.workload_id] = start
                order[start.placement.pool].append(start.workload_id)
        elif specs:
            assert isinstance(argument, int)
            workload_id = specs[argument % len(specs)].id
            if verb == "cancel":
                engine.apply(Cancelled(workload_id))
                running.pop(workload_id, None)
            elif running.pop(workload_id, None):
                engine.apply(Finished(workload_id))
        _assert_books(engine, {spec.id: spec for spec in specs}, running)
    for started in order.values():
        assert started == sorted(started, key=lambda it: int(it[1:])), "first in, first out"


def _assert_books(
    engine: FifoEngine, specs: dict[str, WorkloadSpec], running: dict[str, Start]
) -> None:
    held: Counter[tuple[str, str]] = Counter()
    for workload_id, start in running.items():
        demand = specs[workload_id].demand
        slices = start.placement.slices
        assert demand.nodes == len({part.node_id for part in slices}) == len(slices)
        for part in slices:
            shares = [device.milli_gpu for device in part.devices]
            assert [demand.milli_per_device] * demand.count == shares
            assert len(shares) == len({device.index for device in part.devices})
            held.update({(part.node_id, f"{it.index}"): it.milli_gpu for it in part.devices})
            held.update({(part.node_id, "vcpus"): part.vcpus})
            held.update({(part.node_id, "memory"): part.memory_gb})
    for (_, what), amount in held.items():
        assert amount <= {"vcpus": 16, "memory": 64}.get(what, 1000)
    for pool in engine.pools():
        nodes = {node.id for node in NODES if node.pool == pool.name}
        devices = sum(it for (node, what), it in held.items() if node in nodes and what.isdigit())
        assert sum(use.total_milli - use.free_milli for use in pool.devices) == devices
        cores = sum(it for (node, what), it in held.items() if node in nodes and what == "vcpus")
        assert pool.total_vcpus - pool.free_vcpus == cores
        assert pool.running == sum(it.placement.pool == pool.name for it in running.values())
