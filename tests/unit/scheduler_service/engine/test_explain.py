"""One reason for each that waits, what would help, and when it starts."""

from dataclasses import replace
from typing import Any

from scheduler_service.domain.scheduling.events import NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.explain import (
    Explanation,
    ReasonKind,
    explain,
    explain_all,
)
from scheduler_service.domain.scheduling.forecast import WAITING, View
from scheduler_service.domain.scheduling.policy import FairShare, HeadRule, TeamQuota
from scheduler_service.domain.scheduling.quote import Quote, Verdict, quote
from scheduler_service.domain.scheduling.requests import RANKS, SECOND, Request, Shape
from scheduler_service.domain.scheduling.steps import finished
from tests.unit.scheduler_service.engine.cluster import Cluster
from tests.unit.scheduler_service.engine.test_preemption import BY_PRIORITY


def explained(cluster: Cluster, job_id: str) -> Explanation:
    """What the engine says of a workload now."""
    explanation = explain(cluster.engine, job_id, cluster.now * SECOND)
    assert explanation is not None
    return explanation


def quoted_by(cluster: Cluster, request: Request, now: int) -> Quote:
    """What the engine quotes."""
    return finished(quote(cluster.engine, View(), request, now))


def test_what_is_not_free_is_named() -> None:
    """The devices that lack, the runs that hold them and the time of their end are told."""
    cluster = Cluster()
    cluster.submit("a", 4, estimate=100)
    cluster.submit("b", 3, estimate=60)
    cluster.submit("c", 3, at=10, estimate=5)
    found = explained(cluster, "c")
    assert found.kind is ReasonKind.RESOURCES
    assert found.message == "needs 3 x GPU; 1 free on one node"
    assert (found.position, found.queue_length, found.constraint) == (1, 1, "gpu:GPU")
    assert found.remedy == "2 more GPU in default"
    assert (found.blocking, found.frees) == (("b",), 60 * SECOND)
    assert (found.earliest, found.latest) == (60 * SECOND, 60 * SECOND)


def test_quota_dominates_what_is_not_free() -> None:
    """A team beyond its quota is told so, with what it holds."""
    cluster = Cluster(quotas=(TeamQuota("red", 4_000, borrow=0),))
    cluster.submit("a", 4, team="red")
    cluster.submit("b", 8, team="red")
    found = explained(cluster, "b")
    assert found.kind is ReasonKind.QUOTA
    assert found.constraint == "team quota"
    assert found.message == "needs 8 GPU; team red holds 4 of its 4 and may borrow 0"
    assert found.blocking == ("a",)


def test_others_go_first_when_all_is_free() -> None:
    """What would fit, but for the order, waits for who goes first."""
    cluster = Cluster()
    cluster.submit("a", 6)
    cluster.submit("first", 8)
    cluster.submit("second", 1)
    found = explained(cluster, "second")
    assert found.kind is ReasonKind.PRIORITY
    assert (found.position, found.blocking) == (2, ("first",))
    assert found.remedy == "the start of first"


def test_a_start_that_nothing_bounds_is_unknown() -> None:
    """Where a run that may last for ever stands in the way, no start is predicted."""
    cluster = Cluster()
    cluster.submit("a", 8)
    cluster.submit("b", 8)
    found = explained(cluster, "b")
    assert (found.earliest, found.latest) == (None, None)


def test_what_runs_does_not_wait() -> None:
    """A running workload and an unknown one have nothing to explain."""
    cluster = Cluster()
    cluster.submit("a", 8)
    assert explained(cluster, "a").kind is ReasonKind.NOT_WAITING
    assert explain(cluster.engine, "nobody", 0) is None


def test_positions_follow_fair_shares() -> None:
    """The position is that in the order as it is now, not that of arrival."""
    cluster = Cluster(fair_share=FairShare(enabled=True))
    cluster.submit("a", 8, team="red")
    cluster.submit("red", 8, at=50, team="red")
    cluster.submit("blue", 8, at=60, team="blue")
    cluster.tell(at=100)
    assert explained(cluster, "blue").position == 1
    assert explained(cluster, "red").position == 2


def test_what_a_team_has_used_counts_in_what_is_foreseen() -> None:
    """Who used much before and runs nothing now is foreseen after who used nothing."""
    cluster = Cluster(fair_share=FairShare(enabled=True))
    cluster.submit("before", 8, team="red")
    cluster.finish("before", at=1_000)
    cluster.submit("now", 8, team="green", estimate=100)
    cluster.submit("red", 8, team="red", estimate=50)
    cluster.submit("blue", 8, team="blue", estimate=50)
    assert 1_100 * SECOND == explained(cluster, "blue").earliest
    assert 1_150 * SECOND == explained(cluster, "red").earliest


def ask(job_id: str, devices: int, **fields: Any) -> Request:
    """A request to be quoted."""
    return Request(job_id, Shape(devices=devices), 0, **fields)


def test_a_quote_says_what_would_happen_and_changes_nothing() -> None:
    """Start now or later, where, and why not now; asking twice gives the same answer."""
    cluster = Cluster()
    cluster.submit("a", 6, estimate=100)
    now = quoted_by(cluster, ask("q", 2), 0)
    assert (now.verdict, now.p50, now.slices[0].devices) == (Verdict.STARTS_NOW, 0, 0b11000000)
    later = quoted_by(cluster, ask("q", 4), 0)
    assert (later.verdict, later.p50, later.p90) == (Verdict.WAITS, 100 * SECOND, 100 * SECOND)
    assert later.explanation is not None
    assert later.explanation.kind is ReasonKind.RESOURCES
    assert later == quoted_by(cluster, ask("q", 4), 0)
    never = quoted_by(cluster, ask("q", 9), 0)
    assert never.verdict is Verdict.NEVER_FITS
    assert cluster.waiting == []


def test_a_quote_tells_whom_it_would_preempt_and_delay() -> None:
    """Preempted work and the longest delay of what waits are told before the submit."""
    policy: dict[str, Any] = {
        "order": ("priority", "fifo"),
        "preemption": replace(BY_PRIORITY, minimum_runtime=0),
    }
    cluster = Cluster(head=HeadRule.BLOCK, **policy)
    cluster.submit("low", 8, preemptible=True, estimate=100)
    cluster.submit("next", 8, estimate=10)
    asked = ask("q", 8, priority=2 * RANKS, estimate=30 * SECOND)
    quoted = quoted_by(cluster, asked, 0)
    assert (quoted.verdict, quoted.preempted) == (Verdict.STARTS_NOW, ("low",))
    assert (quoted.delayed, quoted.longest_delay) == (1, 30 * SECOND)
    assert len(quoted.slices) == 1


def test_a_quote_is_of_one_moment_whatever_happens_while_it_is_worked_out() -> None:
    """What ends, comes and starts between its steps does not change it."""
    cluster, other = Cluster(), Cluster()
    for each in (cluster, other):
        each.submit("a", 8, estimate=100)
        each.submit("b", 2, estimate=50)
    steps = quote(cluster.engine, View(), ask("q", 7), 0)
    next(steps)
    assert ["b"] == cluster.finish("a", at=1)
    cluster.tell(NodeUp(NodeSpec("late", model="A100")))
    cluster.submit("c", 8)
    cluster.finish("b")
    assert quoted_by(other, ask("q", 7), 0) == finished(steps)


def test_a_quote_behind_what_a_forecast_looks_at_has_no_start() -> None:
    """Also where the order is by fair shares, and few of those before it arrived before it."""
    cluster = Cluster(nodes=4, head=HeadRule.SKIP, fair_share=FairShare(enabled=True))
    for number in range(32):
        cluster.submit(f"a{number}", 1, team="most" if number < 20 else "much", estimate=3_600)
    later = {"most": WAITING // 2, "light": WAITING}
    events = [
        Submit(ask(f"{team}{number}", 1, team=team, estimate=3_600 * SECOND))
        for team, count in later.items()
        for number in range(count)
    ]
    cluster.tell(*events, at=600)
    quoted = quoted_by(cluster, ask("q", 1, team="much", estimate=SECOND), 600 * SECOND)
    assert quoted.explanation is not None
    assert quoted.explanation.position > WAITING
    assert (None, None, 0) == (quoted.p50, quoted.p90, quoted.delayed)


def test_an_explanation_outlives_what_it_explains() -> None:
    """A workload that starts while it is worked out was waiting then; what follows is unknown."""
    cluster = Cluster()
    cluster.submit("a", 8, estimate=100)
    cluster.submit("b", 8)
    steps = explain_all(cluster.engine, ["b"], 0)
    next(steps)
    cluster.finish("a", at=1)
    cluster.finish("b", at=2)
    (reason,) = finished(steps)
    assert (ReasonKind.RESOURCES, 1, None) == (
        reason.kind,
        reason.position,
        reason.earliest,
    )


def test_a_waiting_workload_is_quoted_as_it_stands() -> None:
    """The quote of what waits already is its prediction."""
    cluster = Cluster()
    cluster.submit("a", 8, estimate=100)
    cluster.submit("b", 8)
    quoted = quoted_by(cluster, ask("b", 1), 0)
    assert (quoted.verdict, quoted.p50) == (Verdict.WAITS, 100 * SECOND)
