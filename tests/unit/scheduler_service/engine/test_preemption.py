"""Who is stopped for whom, by which rule, and what it costs."""

from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.events import NodeDown, NodeDrain, NodeSpec, NodeUp, Tick
from scheduler_service.domain.scheduling.policy import PreemptionRules, TeamQuota
from scheduler_service.domain.scheduling.requests import RANKS, SECOND
from tests.unit.scheduler_service.engine.cluster import Cluster

HIGH = 2 * RANKS
BY_PRIORITY = PreemptionRules(by_priority=True, minimum_runtime=10 * SECOND, cost=5 * SECOND)


def priorities(nodes: int = 1) -> Cluster:
    """A cluster where a higher priority stops what has run for ten seconds, and five are lost."""
    return Cluster(nodes=nodes, order=("priority", "fifo"), preemption=BY_PRIORITY)


def test_a_higher_priority_stops_preemptible_work() -> None:
    """The decision names the preemptor, the rule, what is kept and what is lost."""
    cluster = priorities()
    cluster.submit("low", 8, preemptible=True)
    assert cluster.submit("high", 8, at=20, priority=HIGH) == ["high"]
    (stopped,) = cluster.preempted
    assert (stopped.id, stopped.preemptor) == ("low", "high")
    assert stopped.rule is PreemptionRule.PRIORITY
    assert (stopped.served, stopped.lost) == (15 * SECOND, 8_000 * 5 * SECOND)
    assert cluster.waiting == ["low"]


def test_stopped_work_goes_on_where_it_was() -> None:
    """A stopped workload starts again with the service that it keeps."""
    cluster = priorities()
    cluster.submit("low", 8, preemptible=True)
    cluster.submit("high", 8, at=20, priority=HIGH)
    cluster.finish("high", at=30)
    assert cluster.started == ["low"]
    assert cluster.engine.jobs["low"].served == 15 * SECOND


def test_what_may_not_be_stopped_is_not() -> None:
    """Neither what is not preemptible nor an equal priority is stopped."""
    cluster = priorities()
    cluster.submit("firm", 4)
    cluster.submit("equal", 4, preemptible=True, priority=HIGH)
    assert cluster.submit("high", 8, at=20, priority=HIGH) == []
    assert cluster.preempted == []


def test_everybody_is_left_a_guaranteed_time() -> None:
    """Nobody is stopped before that; the engine says when to ask again, and then stops it."""
    cluster = priorities()
    cluster.submit("low", 8, preemptible=True)
    assert cluster.submit("high", 8, at=4, priority=HIGH) == []
    assert cluster.engine.wake == 10 * SECOND
    cluster.tell(Tick(), at=10)
    assert cluster.started == ["high"]


def test_the_least_work_is_lost() -> None:
    """Of two nodes the one is cleared on which less is lost, and no more than is needed."""
    cluster = priorities(nodes=2)
    cluster.submit("old", 8, preemptible=True)
    cluster.submit("young", 4, at=1, preemptible=True)
    cluster.submit("younger", 4, at=2, preemptible=True)
    assert cluster.submit("high", 4, at=14, priority=HIGH) == ["high"]
    assert len(cluster.preempted) == 1
    assert cluster.preempted[0].id == "younger"


def test_a_job_is_not_stopped_again_and_again() -> None:
    """After as many times a day as the policy allows, a job is left alone."""
    rules = PreemptionRules(by_priority=True, minimum_runtime=0, per_job_and_day=2)
    cluster = Cluster(order=("priority", "fifo"), preemption=rules)
    cluster.submit("low", 8, preemptible=True)
    for number in range(2):
        job_id = f"high{number}"
        assert cluster.submit(job_id, 8, at=10 * number + 5, priority=HIGH) == [job_id]
        assert cluster.finish(job_id, at=10 * number + 9) == ["low"]
    assert cluster.submit("high2", 8, at=100, priority=HIGH) == []
    assert cluster.submit("high3", 8, at=86_500, priority=HIGH) == ["high2"]


def test_a_team_takes_back_its_own_from_who_borrows() -> None:
    """A team below its quota stops borrowed work, and no more of it than borrows."""
    rules = PreemptionRules(by_reclaim=True, minimum_runtime=0)
    quotas = (TeamQuota("red", 4_000), TeamQuota("blue", 4_000))
    cluster = Cluster(preemption=rules, quotas=quotas)
    cluster.submit("own", 4, team="blue", preemptible=True)
    cluster.submit("lent", 4, at=1, team="blue", preemptible=True)
    assert cluster.submit("mine", 4, at=9, team="red") == ["mine"]
    (stopped,) = cluster.preempted
    assert (stopped.id, stopped.rule) == ("lent", PreemptionRule.RECLAIM)
    assert cluster.submit("more", 4, at=10, team="red") == []


def test_a_lost_node_takes_its_work_along() -> None:
    """What ran on a lost node waits again, and starts where there is room."""
    cluster = Cluster(nodes=2)
    cluster.submit("a", 8)
    cluster.tell(NodeDown("n0"), at=7)
    (stopped,) = cluster.preempted
    assert (stopped.rule, stopped.served) == (PreemptionRule.NODE_LOST, 0)
    assert stopped.lost == 8_000 * 7 * SECOND
    assert cluster.started == ["a"]


def test_a_drained_node_keeps_its_work_and_gets_nothing_new() -> None:
    """Work on a drained node goes on; nothing new starts there until it is up again."""
    cluster = Cluster()
    cluster.submit("a", 4)
    cluster.tell(NodeDrain("n0"))
    assert cluster.decisions == []
    assert cluster.submit("b", 4) == []
    cluster.tell(NodeUp(NodeSpec("n0", model="A100")))
    assert cluster.started == ["b"]
