"""Which device model of which provider is recommended for which strategy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_service.domain.engine import Cancelled, NodeUp, Submitted
from scheduler_service.domain.errors import GpuTypeUnknown, NoProvider
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.prices import Money, PriceList
from scheduler_service.domain.resources import Demand, Node, ResourceType
from scheduler_service.domain.scheduling.steps import finished
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from scheduler_service.domain.strategies import Kind, ranked, scores
from servicekit.values import replace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def usd(micros: int) -> Money:
    """So many millionths of a dollar."""
    return Money(micros, "USD")


CHEAP = Kind("p", "a", "T4", usd(400_000), 65, 0.5)
FAST = Kind("p", "b", "A100", usd(2_000_000), 325, 0.25)
BUSY = Kind("q", "c", "V100", usd(800_000), 130, 1.0, waiting=True)
UNKNOWN = Kind("r", "d", "X", None, 0, 1.0)


def test_scores_are_shares_of_the_best() -> None:
    """Price, speed and what is free; unknown and busy count nothing; balanced is their mean."""
    found = scores([CHEAP, FAST, BUSY, UNKNOWN])
    assert [(1.0, 0.2, 0.5), (0.2, 1.0, 0.25), (0.5, 0.4, 0.0), (0.0, 0.0, 1.0)] == found
    assert [1.7 / 3, 1.45 / 3, 0.3, 1 / 3] == pytest.approx([it.balanced for it in found])


@pytest.mark.parametrize(
    ("strategy", "best"),
    [
        (Strategy.COST, CHEAP),
        (Strategy.PERFORMANCE, FAST),
        (Strategy.AVAILABILITY, UNKNOWN),
        (Strategy.BALANCED, CHEAP),
    ],
)
def test_each_strategy_has_its_best(strategy: Strategy, best: Kind) -> None:
    """Whatever the order they come in."""
    kinds = [CHEAP, FAST, BUSY, UNKNOWN]
    assert best == ranked(strategy, kinds)[0].kind == ranked(strategy, kinds[::-1])[0].kind


def test_equals_go_by_all_together_and_then_by_the_inventory() -> None:
    """So that the answer is always the same."""
    slow = CHEAP._replace(provider="z", speed=1)
    assert [CHEAP, slow] == [it.kind for it in ranked(Strategy.COST, [slow, CHEAP])]
    twin = CHEAP._replace(provider="z")
    assert [twin, CHEAP] == [it.kind for it in ranked(Strategy.COST, [twin, CHEAP])]


def test_of_nothing_known_nothing_is_better() -> None:
    """Every score is there, and none is divided by nothing."""
    assert [(0.0, 0.0, 1.0)] == scores([UNKNOWN])


def engine(*nodes: Node) -> LiveEngine:
    """An engine that knows the prices and speeds of T4s and A100s."""
    prices = PriceList("USD", {("near", "T4"): 400_000, ("far", "A100"): 2_000_000})
    it = LiveEngine(prices=prices, speeds={"T4": 65, "A100": 260})
    for each in nodes:
        it.apply(NodeUp(each))
    it.plan(NOW)
    return it


def node(name: str, provider: str, model: str, pool: str = "p", devices: int = 2) -> Node:
    """A node."""
    return Node(name, name, pool, provider, ResourceType.GPU, model, devices)


def asked(**demand: Any) -> WorkloadSpec:
    """Work of an hour."""
    return WorkloadSpec(id="", demand=Demand(**demand), estimated_duration=HOUR)


def test_what_is_recommended_is_what_there_is_now() -> None:
    """With price and wait; a model that is taken is no longer the most available."""
    it = engine(node("t", "near", "T4"), node("a", "far", "A100", "q"))
    first = finished(it.recommend(asked(), NOW))
    assert ["near", "far", "near", "near"] == [first[each].provider for each in Strategy]
    assert (1.0, "T4", usd(400_000), timedelta()) == (
        first[Strategy.COST].score,
        first[Strategy.COST].gpu_type,
        first[Strategy.COST].hourly_price,
        first[Strategy.COST].expected_wait,
    )
    taken = WorkloadSpec(id="w", pool="p", demand=Demand(count=2), estimated_duration=HOUR)
    it.apply(Submitted(taken, NOW))
    it.plan(NOW)
    then = finished(it.recommend(asked(), NOW + timedelta(seconds=1)))
    assert ["near", "far", "far", "far"] == [then[each].provider for each in Strategy]
    assert HOUR - timedelta(seconds=1) == then[Strategy.COST].expected_wait


def test_only_what_could_ever_hold_the_work_is_recommended() -> None:
    """By model and size; without any there is no provider."""
    it = engine(node("t", "near", "T4"), node("a", "far", "A100", devices=8))
    assert "far" == finished(it.recommend(asked(count=4), NOW))[Strategy.COST].provider
    assert "far" == finished(it.recommend(asked(gpu_type="A100"), NOW))[Strategy.COST].provider
    with pytest.raises(NoProvider):
        finished(it.recommend(asked(count=9), NOW))
    with pytest.raises(GpuTypeUnknown):
        finished(it.recommend(asked(gpu_type="H100"), NOW))


def pool_of(it: LiveEngine, strategy: Strategy, at: datetime = NOW, **demand: Any) -> str:
    """The provider where work of a strategy is put now; what it took is free again then."""
    it.apply(Submitted(replace(asked(**demand), id="w", strategy=strategy), at))
    [start] = it.plan(at).starts
    it.apply(Cancelled("w"))
    it.plan(at)
    return start.placement.provider


def test_work_goes_where_its_strategy_sends_it() -> None:
    """Between pools and within one; the best that is free, else the next."""
    for pool in ("p", "q"):
        it = engine(node("a", "far", "A100", pool), node("t", "near", "T4"))
        assert "near" == pool_of(it, Strategy.COST)
        assert "far" == pool_of(it, Strategy.PERFORMANCE)
        assert "near" == pool_of(it, Strategy.BALANCED)
    one = engine(node("a", "far", "A100"), node("t", "near", "T4", devices=1))
    taken = WorkloadSpec(id="x", demand=Demand(gpu_type="T4"))
    one.apply(Submitted(taken, NOW))
    one.plan(NOW)
    assert "far" == pool_of(one, Strategy.COST)


def test_what_is_free_is_looked_at_again_after_a_second() -> None:
    """The most available pool is that with more of its devices free, and nobody waiting."""
    it = engine(node("a", "far", "A100"), node("t", "near", "T4", "q"))
    assert "near" == pool_of(it, Strategy.AVAILABILITY)
    it.apply(Submitted(WorkloadSpec(id="x", pool="q"), NOW))
    it.plan(NOW)
    later = NOW + timedelta(seconds=1)
    assert "far" == pool_of(it, Strategy.AVAILABILITY, later)


def test_a_named_pool_provider_or_order_of_models_comes_first() -> None:
    """A strategy chooses where a choice was left."""
    it = engine(node("a", "far", "A100", "q"), node("t", "near", "T4"))
    assert "far" == pool_of(it, Strategy.COST, gpu_type="A100", alternative_gpu_types=("T4",))
    assert "near" == pool_of(it, Strategy.PERFORMANCE, gpu_type="T4")
    there = replace(asked(), id="v", pool="q", strategy=Strategy.COST)
    it.apply(Submitted(there, NOW))
    assert ["far"] == [start.placement.provider for start in it.plan(NOW).starts]


def test_without_prices_and_speeds_the_free_part_decides_then_the_inventory() -> None:
    """As nothing else is known of any kind."""
    it = LiveEngine()
    for each in (node("a", "far", "A100", "q"), node("t", "near", "T4")):
        it.apply(NodeUp(each))
    it.plan(NOW)
    assert ["far"] * 4 == [pool_of(it, strategy) for strategy in Strategy]
