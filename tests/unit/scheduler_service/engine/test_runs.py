"""What runs on which node, how much is left there, and when it ends."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.domain.scheduling.durations import expected_end, remaining
from scheduler_service.domain.scheduling.ends import Ends
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Finish, NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.policy import HeadRule, Policy
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape

NODES = 4
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 9), st.none() | st.integers(1, 90), st.integers(0, 40)),
    max_size=25,
)
"""Whether something ends or starts, what or how big, what is expected, and how much time passes."""


class Small:
    """A few nodes of four devices on which whatever fits starts."""

    def __init__(self) -> None:
        self.engine = Engine(Policy(order=("fifo",), head=HeadRule.SKIP, ageing=0))
        self.now = 0
        self.count = 0
        up = [NodeUp(NodeSpec(f"node{number}", devices=4)) for number in range(NODES)]
        self.engine.step(0, up)

    @property
    def pool(self) -> Pool:
        """The only one."""
        return next(iter(self.engine.pools.values()))

    def step(self, ends: bool, size: int, estimate: int | None, passed: int) -> None:
        """Ends a run, or submits one of some devices, after some seconds."""
        self.now += passed * SECOND
        running = list(self.pool.running)
        if ends and running:
            self.engine.step(self.now, [Finish(running[size % len(running)])])
            return
        self.count += 1
        shape = Shape(devices=size, split=True) if size > 4 else Shape(devices=size)
        expected = None if estimate is None else estimate * SECOND
        request = Request(f"job{self.count}", shape, self.now, estimate=expected)
        self.engine.step(self.now, [Submit(request)])

    def on(self, node: int) -> list[str]:
        """What runs on a node, found by looking at every run."""
        runs = self.pool.running.values()
        return [it.request.id for it in runs if any(part.node == node for part in it.slices)]


@given(STEPS, STEPS)
def test_runs_are_found_by_their_nodes(
    before: list[tuple[bool, int, int | None, int]], after: list[tuple[bool, int, int | None, int]]
) -> None:
    """Those from before somebody asked, and those from after; changed nodes are told."""
    small = Small()
    for step in before:
        small.step(*step)
    told = small.pool.running.runs.watch()
    assert {node for node in range(NODES) if small.on(node)} == told
    for step in after:
        seen = [small.on(node) for node in range(NODES)]
        told.clear()
        small.step(*step)
        found = [
            [run.request.id for run in small.pool.running.runs.on(node)] for node in range(NODES)
        ]
        assert [small.on(node) for node in range(NODES)] == found
        assert {node for node in range(NODES) if seen[node] != found[node]} <= told


@given(STEPS)
def test_nodes_are_in_the_order_of_the_work_that_is_left(
    steps: list[tuple[bool, int, int | None, int]],
) -> None:
    """All runs of a node together, the lowest of equals first; nodes without runs are not there."""
    small = Small()
    for step in steps:
        small.step(*step)
        left: dict[int, int] = {}
        for job in small.pool.running.values():
            for part in job.slices:
                left[part.node] = left.get(part.node, 0) + remaining(job, small.now)
        expected = sorted(left, key=lambda node: (left[node], node))
        assert expected == list(small.pool.running.loads.nodes(small.now))


def test_the_longest_run_of_some_nodes_says_when_they_are_empty() -> None:
    """Of nodes on which nothing runs, nothing is left."""
    small = Small()
    small.step(False, 4, 30, 0)
    small.step(False, 4, 80, 0)
    assert small.pool.running.loads.longest([0, 1], 10 * SECOND) == 70 * SECOND
    assert small.pool.running.loads.longest([2], 10 * SECOND) == 0


@given(STEPS, st.integers(0, 300))
def test_ends_are_in_order_and_lie_ahead(
    steps: list[tuple[bool, int, int | None, int]], later: int
) -> None:
    """What is overdue is put off; nothing gets lost."""
    small = Small()
    for step in steps:
        small.step(*step)
    ends = Ends()
    for job in small.pool.running.values():
        ends.expect(job, small.now)
    now = small.now + later * SECOND
    ends.put_off(now)
    expected = sorted(
        (expected_end(job, now), job.request.id) for job in small.pool.running.values()
    )
    assert expected == sorted((end, job.request.id) for end, _, job in ends)
    assert [end for end, _ in expected] == [end for end, _, _ in ends]


def test_a_follower_is_told_every_start_once() -> None:
    """Beginning with what runs; what ended before anybody looked is thrown away in time."""
    small = Small()
    small.step(False, 1, None, 0)
    started = small.pool.running.runs.follow()
    assert [job.request.id for job in started] == ["job1"]
    for _ in range(2_000):
        small.step(False, 4, None, 1)
        small.step(True, 1, None, 1)
    assert len(started) < 1_100
    assert "job1" in {job.request.id for job in started}
