"""What must be true of an engine after every step, judged from its decisions and from scratch.

The world believes nothing that the engine keeps for itself: it books every start and preemption on
its own, and compares.
"""

from collections import Counter

from scheduler_service.domain.placement.first_fit import FirstFit
from scheduler_service.domain.resources import WHOLE, ResourceType
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.decisions import Decision, Preempt, Refuse, Start
from scheduler_service.domain.scheduling.durations import expected_end, remaining
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import (
    Cancel,
    Event,
    Finish,
    NodeDown,
    NodeDrain,
    NodeRetire,
    NodeSpec,
    NodeUp,
    Submit,
)
from scheduler_service.domain.scheduling.nodes import UNLIMITED, Nodes
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import SECOND, Request, Slices
from tests.simulation.scheduler_service.plain_offers import plain_offers


class World:
    """Nodes, what waits and what runs, as events and decisions tell."""

    def __init__(self) -> None:
        self.nodes: dict[str, list[NodeSpec]] = {}
        self.closed: set[str] = set()
        self.waiting: dict[str, Request] = {}
        self.running: dict[str, tuple[Request, str, Slices]] = {}
        self.ended: set[str] = set()

    def told(self, event: Event) -> None:
        """Takes in what the engine is told."""
        match event:
            case Submit(request):
                self.waiting[request.id] = request
            case Finish(job_id) | Cancel(job_id):
                self.waiting.pop(job_id, None)
                self.running.pop(job_id, None)
                self.ended.add(job_id)
            case NodeUp(spec):
                known = self.nodes.setdefault(spec.pool, [])
                if spec not in known:
                    known.append(spec)
                self.closed.discard(spec.id)
            case NodeDrain(node_id) | NodeDown(node_id) | NodeRetire(node_id):
                self.closed.add(node_id)

    def decided(self, decision: Decision) -> None:
        """Carries out a decision: only what waits may start, and only what runs may stop."""
        match decision:
            case Start(job_id, pool, slices, _):
                again = self.running.pop(job_id, None)
                request = again[0] if again else self.waiting.pop(job_id)
                _assert_whole_gang(request, slices, self.nodes[pool])
                for part in slices:
                    assert self.nodes[pool][part.node].id not in self.closed
                self.running[job_id] = (request, pool, slices)
            case Preempt(job_id, _, _, served, lost):
                assert served >= 0
                assert lost >= 0
                if job_id not in self.ended:
                    self.waiting[job_id] = self.running.pop(job_id)[0]
            case Refuse(job_id, _, message):
                assert message
                if job_id not in self.ended:
                    del self.waiting[job_id]

    def assert_holds(self, engine: Engine, now: int) -> None:
        """Compares all that the engine keeps with what follows from its decisions."""
        assert set(self.waiting) | set(self.running) == set(engine.jobs)
        for name, pool in engine.pools.items():
            mine = {key: it for key, it in self.running.items() if it[1] == name}
            assert set(mine) == set(pool.running)
            assert {key: it[2] for key, it in mine.items()} == {
                key: job.slices for key, job in pool.running.items()
            }
            _assert_nodes(pool.nodes, self.nodes[name], list(mine.values()), self.closed)
            _assert_queue(pool, self.waiting)
            _assert_blocked(pool)
            _assert_ends(pool, now)
            _assert_shares(pool)
            if now // SECOND % 3 == 0:
                _assert_runs(pool)
                _assert_loads(pool, now)
                _assert_offers(pool, now)
        assert sum(pool.queue.size for pool in engine.pools.values()) == len(self.waiting)


def _assert_whole_gang(request: Request, slices: Slices, nodes: list[NodeSpec]) -> None:
    shape = request.shape
    assert len({part.node for part in slices}) == len(slices)
    counts = [part.devices.bit_count() for part in slices]
    assert {part.milli for part in slices} == {shape.milli}
    specs = [nodes[part.node] for part in slices]
    if shape.split:
        assert sum(counts) == shape.devices
    else:
        assert counts == [shape.devices] * shape.nodes
    if len(slices) > 1:
        assert len({(spec.provider, spec.model, spec.device_memory) for spec in specs}) == 1
    for spec in specs:
        assert set(shape.labels) <= set(spec.labels)
        assert shape.provider in ("", spec.provider)
        if shape.resource_type is not ResourceType.CPU:
            assert spec.resource_type is shape.resource_type
            assert not shape.models or spec.model in shape.models
            assert spec.device_memory >= shape.device_memory


def _assert_nodes(
    nodes: Nodes,
    specs: list[NodeSpec],
    running: list[tuple[Request, str, Slices]],
    closed: set[str],
) -> None:
    """No device, core or byte is given twice, and every index says what a recount says."""
    free = [[WHOLE] * spec.devices for spec in specs]
    cpu = [spec.cpu or UNLIMITED for spec in specs]
    memory = [spec.memory or UNLIMITED for spec in specs]
    for request, _, slices in running:
        for part in slices:
            for device in each(part.devices):
                free[part.node][device] -= part.milli
                assert free[part.node][device] >= 0, "a device was given twice"
            cpu[part.node] -= request.shape.cpu
            memory[part.node] -= request.shape.memory
    assert min(cpu) >= 0
    assert min(memory) >= 0
    assert nodes.cpu == cpu
    assert nodes.memory == memory
    if nodes.tenants is not None:
        assert nodes.tenants == _tenants(specs, running)
    for node, devices in enumerate(free):
        idle = [device for device, milli in enumerate(devices) if milli == WHOLE]
        # A device held whole by one run is in neither of the two.
        shared = {device: milli for device, milli in enumerate(devices) if 0 < milli < WHOLE}
        assert nodes.idle[node] == sum(1 << device for device in idle)
        assert nodes.whole[node] == len(idle)
        assert {key: milli for key, milli in nodes.shared[node].items() if milli} == shared
        assert [
            count for count, bucket in enumerate(nodes.buckets) if bucket & nodes.bit[node]
        ] == [len(idle)]
        assert [count for count, size in enumerate(nodes.sizes) if size & nodes.bit[node]] == [
            specs[node].devices
        ]
        largest = max(shared.values(), default=0)
        assert [q for q, part in enumerate(nodes.parts) if part & nodes.bit[node]] == (
            [largest // 100] if largest else []
        )
        assert bool(nodes.open & nodes.bit[node]) == (specs[node].id not in closed)


def _tenants(
    specs: list[NodeSpec], running: list[tuple[Request, str, Slices]]
) -> list[dict[int, int]]:
    """How many parts of each sort run on each node."""
    tenants = [Counter[int]() for _ in specs]
    for request, _, slices in running:
        shape = request.shape
        for part in slices if shape.devices else ():
            tenants[part.node][shape.devices if shape.milli == WHOLE else 0] += 1
    return [dict(each) for each in tenants]


def _assert_queue(pool: Pool, waiting: dict[str, Request]) -> None:
    queue = pool.queue
    jobs = list(queue.jobs())
    assert len(jobs) == queue.size
    assert {job.request.id for job in jobs} <= set(waiting)
    assert queue.heads == sorted(group.waiting[0] for group in queue.groups.values())
    for key, group in queue.groups.items():
        assert key == group.key
        assert list(group.waiting) == sorted(group.waiting)
        assert all(job.group is group and job.fit is group.fit for _, _, job in group.waiting)


def _assert_blocked(pool: Pool) -> None:
    """What is passed over, because it was found not to fit, fits nowhere by a search of all."""
    nodes, search = pool.nodes, FirstFit()
    for _, _, job in pool.queue.heads:
        if job.group is not None and job.group.blocked == nodes.freed:
            allowed = nodes.open & ~pool.excluded(job)
            for tier in job.fit.tiers:
                assert search.place(nodes, job.request.shape, tier & allowed) is None


def _assert_ends(pool: Pool, now: int) -> None:
    """Every run has one expected end, which is the one that follows from what is known of it."""
    if pool.running.ends is None:
        return
    ends = {job.request.id: end for end, _, job in pool.running.ends}
    assert len(ends) == len(pool.running.ends)
    assert {name: job.end for name, job in pool.running.items()} == ends
    for job in pool.running.values():
        assert job.end <= now or job.end == expected_end(job, now)


def _assert_runs(pool: Pool) -> None:
    """Every run is counted on each of its nodes, in the order of the starts."""
    running = list(pool.running.values())
    for node in range(len(pool.nodes.specs)):
        there = [job for job in running if any(part.node == node for part in job.slices)]
        assert list(pool.running.runs.on(node)) == there


def _assert_loads(pool: Pool, now: int) -> None:
    """The nodes are in the order of all the work that is left there."""
    left: dict[int, int] = {}
    for job in pool.running.values():
        for part in job.slices:
            left[part.node] = left.get(part.node, 0) + remaining(job, now)
    assert list(pool.running.loads.nodes(now)) == sorted(left, key=lambda node: (left[node], node))


def _assert_offers(pool: Pool, now: int) -> None:
    """Whom to stop on each node, and where the least is lost, is what a search of all finds."""
    everywhere = (1 << len(pool.nodes.specs)) - 1
    for rule in getattr(pool.preemption, "rules", [pool.preemption]):
        for kept in getattr(rule, "offers", None) or ():
            kept.update(now)
            offered = [list(offer.runs) for offer in kept.in_order(now, everywhere)]
            assert offered == plain_offers(pool, rule, kept, now)


def _assert_shares(pool: Pool) -> None:
    if pool.shares is None:
        return
    held: dict[tuple[str, ResourceType], int] = {}
    for job in pool.running.values():
        key = (job.request.team, job.request.shape.resource_type)
        if job.request.shape.total_milli:
            held[key] = held.get(key, 0) + job.request.shape.total_milli
    assert {key: milli for key, milli in pool.shares.held.items() if milli} == held
