"""What the order would rather run stops what runs."""

from typing import Any

from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.events import Tick
from scheduler_service.domain.scheduling.policy import HeadRule, PreemptionRules
from scheduler_service.domain.scheduling.requests import SECOND
from tests.unit.scheduler_service.engine.cluster import Cluster

MINUTE, HOUR, DAY = 60, 3_600, 86_400
RULES = PreemptionRules(by_order=True, minimum_runtime=600 * SECOND, cost=60 * SECOND)


def levels(nodes: int = 1, **changes: Any) -> Cluster:
    """Least attained service in levels: one, eight and 64 device-hours."""
    fields: dict[str, Any] = {
        "order": ("las_levels", "fifo"),
        "head": HeadRule.SKIP,
        "placement": "best_fit",
        "preemption": RULES,
    }
    return Cluster(nodes=nodes, **(fields | changes))


def test_less_attained_service_stops_more() -> None:
    """After half an hour on eight devices a job has sunk below one that has had nothing."""
    cluster = levels()
    cluster.submit("long", 8)
    assert cluster.submit("new", 4, at=30 * MINUTE) == ["new"]
    (stopped,) = cluster.preempted
    assert (stopped.id, stopped.preemptor, stopped.rule) == ("long", "new", PreemptionRule.ORDER)
    assert stopped.served == (30 * 60 - 60) * SECOND
    assert stopped.lost == 60 * SECOND * 8_000


def test_equals_are_not_stopped_for_single_devices() -> None:
    """In one level who came first runs on, and the engine asks again when levels change."""
    cluster = levels()
    for number in range(8):
        cluster.submit(f"old{number}", at=number)
    assert cluster.submit("new", at=20 * MINUTE) == []
    assert cluster.engine.wake == HOUR * SECOND
    cluster.tell(Tick(), at=HOUR)
    assert [it.id for it in cluster.preempted] == ["old0"]
    assert cluster.started == ["new"]


def test_whole_nodes_are_cleared_of_what_came_later() -> None:
    """Work that needs a whole node stops equals that were submitted after it; they go elsewhere."""
    cluster = levels(nodes=2)
    cluster.submit("first", 8)
    cluster.submit("small", 1, at=5)
    assert cluster.submit("wide", 8, at=6) == []
    cluster.submit("late", 6, at=10)
    cluster.finish("small", at=15 * MINUTE)
    assert [it.id for it in cluster.preempted] == ["late"]
    assert cluster.started == ["wide"]
    assert cluster.waiting == ["late"]


def test_nobody_is_stopped_before_the_guaranteed_time() -> None:
    """A run of nine minutes stays, whatever its level; at ten minutes it goes."""
    cluster = levels(options=(("las_first", 0.01),))
    cluster.submit("long", 8)
    assert cluster.submit("new", 8, at=9 * MINUTE) == []
    assert cluster.engine.wake == 10 * MINUTE * SECOND
    cluster.tell(Tick(), at=10 * MINUTE)
    assert cluster.started == ["new"]


def test_the_waits_of_a_job_count_together() -> None:
    """A job that was stopped again and again ages by all its waits, and is then left alone."""
    cluster = levels(ageing=2 * HOUR * SECOND, options=(("las_first", 0.5), ("las_ratio", 1e6)))
    cluster.submit("long", 8)
    for number in range(2):
        start = (2 * number + 1) * HOUR
        assert cluster.submit(f"new{number}", 8, at=start) == [f"new{number}"]
        assert cluster.finish(f"new{number}", at=start + HOUR - 5 * MINUTE) == ["long"]
    cluster.submit("new2", 8, at=5 * HOUR)
    cluster.submit("new3", 8, at=5 * HOUR + 1)
    assert cluster.engine.jobs["long"].waited == 110 * MINUTE * SECOND
    assert cluster.waiting == ["long", "new3"]
    assert cluster.finish("new2", at=5 * HOUR + 11 * MINUTE) == ["long"]
    assert cluster.submit("new4", 8, at=9 * HOUR) == []


def test_what_ages_does_not_wait_for_something_to_happen() -> None:
    """The engine asks to be woken when a waiting job may stop others because it has aged."""
    cluster = levels(ageing=5 * HOUR * SECOND, options=(("las_levels", 0.0),))
    cluster.submit("long", 8)
    assert cluster.submit("other", 8, at=HOUR) == []
    assert cluster.engine.wake == 6 * HOUR * SECOND
    cluster.tell(Tick(), at=6 * HOUR)
    assert cluster.started == ["other"]


def test_shortest_remaining_time_stops_what_needs_longer() -> None:
    """SRTF: what needs an hour gives way to what needs ten minutes, and not the other way round."""
    cluster = levels(order=("sjf",))
    cluster.submit("hour", 8, estimate=HOUR)
    assert cluster.submit("minutes", 8, at=20 * MINUTE, estimate=10 * MINUTE) == ["minutes"]
    assert cluster.submit("more", 8, at=25 * MINUTE, estimate=20 * MINUTE) == []
    assert cluster.finish("minutes", at=30 * MINUTE) == ["more"]
