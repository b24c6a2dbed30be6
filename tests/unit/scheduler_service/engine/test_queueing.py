"""Who goes first, and what happens when that one does not fit."""

from scheduler_service.domain.scheduling.decisions import RefusalReason, Refuse
from scheduler_service.domain.scheduling.events import Cancel, NodeSpec, NodeUp, SetPolicy, Submit
from scheduler_service.domain.scheduling.policy import HeadRule
from scheduler_service.domain.scheduling.requests import RANKS, SECOND, Request, Shape
from tests.unit.scheduler_service.engine.cluster import PLAIN, Cluster


def test_first_come_is_first_served() -> None:
    """What came first starts first, and the first that does not fit holds up all others."""
    cluster = Cluster()
    assert cluster.submit("a", 8) == ["a"]
    assert cluster.submit("b", 8) == []
    assert cluster.submit("c", 1) == []
    assert cluster.finish("a") == ["b"]
    assert cluster.finish("b") == ["c"]


def test_a_cancelled_head_lets_the_next_one_start() -> None:
    """Cancelling the one that holds up the others is as good as its end."""
    cluster = Cluster()
    cluster.submit("a", 6)
    cluster.submit("b", 8)
    cluster.submit("c", 2)
    cluster.tell(Cancel("b"))
    assert cluster.started == ["c"]


def test_skipping_starts_whatever_fits() -> None:
    """With skipping, the large one waits while smaller ones start."""
    cluster = Cluster(head=HeadRule.SKIP)
    cluster.submit("a", 6)
    assert cluster.submit("b", 8) == []
    assert cluster.submit("c", 2) == ["c"]


def test_backfill_starts_only_what_does_not_delay_the_first() -> None:
    """What ends before the first one's reservation starts; what would outlast it does not."""
    cluster = Cluster(head=HeadRule.BACKFILL)
    cluster.submit("a", 6, estimate=100)
    cluster.submit("b", 8, estimate=50)
    assert cluster.submit("long", 2, estimate=101) == []
    assert cluster.submit("short", 2, estimate=100) == ["short"]


def test_backfill_uses_what_the_first_one_leaves() -> None:
    """What outlasts the reservation may run where the first one will not."""
    cluster = Cluster(head=HeadRule.BACKFILL, nodes=2)
    cluster.submit("a", 8, estimate=100)
    cluster.submit("b", 4, estimate=500)
    cluster.submit("first", 8, estimate=50)
    assert cluster.submit("long", 4, estimate=1_000) == ["long"]
    assert cluster.finish("a", at=90) == ["first"]


def test_backfill_looks_no_deeper_than_it_is_told() -> None:
    """Only so many behind the first are looked at."""
    cluster = Cluster(head=HeadRule.BACKFILL, backfill_depth=1)
    cluster.submit("a", 6, estimate=100)
    cluster.submit("b", 8, estimate=50)
    cluster.submit("long", 2, estimate=101)
    assert cluster.submit("short", 1, estimate=10) == []


def test_shortest_and_smallest_first() -> None:
    """SJF looks at time alone, smallest service first at devices times time."""
    for order, expected in (("sjf", ["wide", "narrow"]), ("ssf", ["narrow", "wide"])):
        cluster = Cluster(order=(order,))
        cluster.submit("a", 8)
        cluster.submit("narrow", 1, estimate=100)
        cluster.submit("wide", 8, estimate=50)
        cluster.finish("a")
        cluster.finish(expected[0])
        assert cluster.started == expected[1:]


def test_priority_decides_before_the_rest() -> None:
    """A greater priority goes first, and within one what came first."""
    cluster = Cluster(order=("priority", "fifo"))
    cluster.submit("a", 8)
    for job_id, priority in (("low", 0), ("high", 2 * RANKS), ("medium", RANKS), ("high2", 32)):
        cluster.submit(job_id, 8, priority=priority)
    order = [cluster.finish(job_id)[0] for job_id in ("a", "high", "high2", "medium")]
    assert order == ["high", "high2", "medium", "low"]


def test_what_can_never_run_is_refused() -> None:
    """More than there is, and a pool, provider or model that is not there, are refused."""
    cluster = Cluster()
    for shape, reason in (
        (Shape(devices=9), RefusalReason.EXCEEDS_POOL),
        (Shape(nodes=2), RefusalReason.EXCEEDS_POOL),
        (Shape(models=("H100",)), RefusalReason.MISCONFIGURED),
        (Shape(pool="elsewhere"), RefusalReason.MISCONFIGURED),
        (Shape(provider="nobody"), RefusalReason.MISCONFIGURED),
    ):
        (refusal,) = cluster.tell(Submit(Request("a", shape, 0)))
        assert isinstance(refusal, Refuse)
        assert refusal.reason is reason


def test_a_gang_starts_whole_or_not_at_all() -> None:
    """A gang waits until all of its nodes are free at once."""
    cluster = Cluster(nodes=2, head=HeadRule.SKIP)
    cluster.submit("a", 5)
    gang = Shape(devices=4, nodes=2)
    assert cluster.submit("gang", shape=gang) == []
    assert cluster.submit("b", 1) == ["b"]
    assert cluster.finish("a") == ["gang"]
    assert len(cluster.engine.jobs["gang"].slices) == 2


def test_a_node_that_comes_gives_room() -> None:
    """What did not fit before a node came starts when it comes."""
    cluster = Cluster()
    cluster.submit("a", 8)
    cluster.submit("b", 8)
    cluster.tell(NodeUp(NodeSpec("another")))
    assert cluster.started == ["b"]


def test_a_policy_holds_from_its_arrival_on() -> None:
    """What waits is put in the new order."""
    cluster = Cluster()
    cluster.submit("a", 8)
    cluster.submit("long", 8, estimate=100)
    cluster.submit("short", 8, estimate=10)
    cluster.tell(SetPolicy(PLAIN.__class__(order=("sjf",), placement="first_fit")))
    assert cluster.finish("a") == ["short"]


def test_what_has_aged_goes_first_and_others_leave_its_nodes_alone() -> None:
    """After the ageing bound nothing starts any more that would delay a job that fits nowhere."""
    cluster = Cluster(head=HeadRule.SKIP, ageing=100 * SECOND)
    cluster.submit("a", 4)
    cluster.submit("b", 4)
    cluster.submit("large", 8)
    assert cluster.finish("a", at=50) == []
    assert cluster.submit("c", 4, at=60) == ["c"]
    cluster.finish("b", at=101)
    assert cluster.submit("d", 4, at=102) == []
    assert cluster.finish("c", at=103) == ["large"]
