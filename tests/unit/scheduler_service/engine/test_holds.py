"""What has waited too long has nodes of its own."""

from typing import Any

from scheduler_service.domain.scheduling.events import Cancel
from scheduler_service.domain.scheduling.policy import HeadRule
from scheduler_service.domain.scheduling.requests import RANKS, SECOND
from tests.unit.scheduler_service.engine.cluster import Cluster

HOUR = 3_600


def cluster(nodes: int, **changes: Any) -> Cluster:
    """Whatever fits starts, but nothing waits for others longer than an hour."""
    return Cluster(nodes=nodes, head=HeadRule.SKIP, ageing=HOUR * SECOND, **changes)


def kept(it: Cluster) -> dict[str, list[int]]:
    """For whom which nodes are kept."""
    pool = it.engine.pools["default"]
    return {
        hold.job.request.id: [node for node, bit in enumerate(pool.nodes.bit) if hold.nodes & bit]
        for hold in pool.holds
    }


def test_the_node_with_the_least_work_left_is_kept() -> None:
    """Not the one whose last run ends first, but the one where least is left of all together."""
    it = cluster(4)
    it.submit("a", 4, estimate=9 * HOUR)
    it.submit("b", 4, estimate=9 * HOUR)
    it.submit("c", 8, estimate=10 * HOUR)
    it.submit("d", 8, estimate=30 * HOUR)
    it.submit("e", 8, estimate=30 * HOUR)
    it.submit("wide", 8)
    it.submit("small", 1, at=HOUR)
    assert kept(it) == {"wide": [1]}


def test_nobody_starts_on_nodes_that_are_kept() -> None:
    """Small work goes elsewhere, and waits if there is no elsewhere."""
    it = cluster(4)
    for number in range(8):
        it.submit(f"half{number}", 4, estimate=(number // 2 + 2) * HOUR)
    it.submit("wide", 8)
    assert it.submit("small", 4, at=HOUR) == []
    assert kept(it) == {"wide": [0]}
    assert it.finish("half0", at=HOUR + 1) == []
    assert it.finish("half7", at=HOUR + 2) == ["small"]
    assert it.finish("half1", at=HOUR + 3) == ["wide"]
    assert kept(it) == {}


def test_everything_that_has_aged_has_its_own() -> None:
    """Two that wait alike drain two nodes side by side; a quarter of the pool is the limit."""
    it = cluster(8)
    for number in range(8):
        it.submit(f"long{number}", 8, estimate=(number + 2) * HOUR)
    for number in range(3):
        it.submit(f"wide{number}", 8, at=number)
    it.submit("one", 1, at=HOUR + 3)
    assert kept(it) == {"wide0": [0], "wide1": [1]}
    assert it.finish("long7", at=HOUR + 4) == ["wide0"]
    assert kept(it) == {"wide1": [1]}
    assert it.finish("long1", at=HOUR + 5) == ["wide1"]
    it.submit("two", 2, at=HOUR + 6)
    assert kept(it) == {"wide2": [0]}


def test_nodes_are_chosen_anew_when_it_takes_longer() -> None:
    """An expectation that was wrong is given up: an hour later another node has less left."""
    it = cluster(4)
    it.submit("early", 8, estimate=HOUR + 60)
    it.submit("later", 8, estimate=3 * HOUR)
    it.submit("late", 8, estimate=9 * HOUR)
    it.submit("latest", 8, estimate=9 * HOUR)
    it.submit("wide", 8)
    it.submit("one", 1, at=HOUR)
    assert kept(it) == {"wide": [0]}
    it.submit("two", 2, at=HOUR + 600)
    assert kept(it) == {"wide": [0]}, "a run that is late is expected to go on as long as it ran"
    it.submit("four", 4, at=2 * HOUR + 599)
    assert kept(it) == {"wide": [0]}
    it.submit("five", 5, at=2 * HOUR + 600)
    assert kept(it) == {"wide": [1]}


def test_a_higher_class_is_not_kept_out() -> None:
    """Ageing is within a class: what is of a higher one starts on kept nodes too."""
    it = cluster(1, order=("priority", "fifo"))
    it.submit("half", 4)
    it.submit("wide", 8)
    assert it.submit("equal", 4, at=HOUR) == []
    assert kept(it) == {"wide": [0]}
    assert it.submit("urgent", 4, priority=RANKS) == ["urgent"]


def test_who_leaves_opens_the_nodes() -> None:
    """A cancelled job's nodes are anybody's at once."""
    it = cluster(1)
    it.submit("half", 4)
    it.submit("wide", 8)
    assert it.submit("small", 1, at=HOUR) == []
    it.tell(Cancel("wide"))
    assert it.started == ["small"]
