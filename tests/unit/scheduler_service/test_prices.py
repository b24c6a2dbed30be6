"""Prices, exact to the millionth: of runs, of quotes, and what a promise is worth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_service.domain import workload as verbs
from scheduler_service.domain.engine import Finished, NodeUp, Submitted
from scheduler_service.domain.live import LiveEngine
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.prices import Money, PriceList, charged, cost
from scheduler_service.domain.resources import Demand, Node, Placement, ResourceType
from scheduler_service.domain.scheduling.policy import DurationSource, Policy
from scheduler_service.domain.scheduling.quote import Verdict
from scheduler_service.domain.scheduling.steps import finished
from scheduler_service.domain.spec import WorkloadSpec
from tests.scheduler_examples import LATER, NOW, SUCCEEDED, placement, workload

HOUR = timedelta(hours=1)
EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
PRICES = PriceList("EUR", {("local", "A100"): 2_500_000, ("local", "T4"): 400_000})


def eur(micros: int) -> Money:
    """So many millionths of a euro."""
    return Money(micros, "EUR")


@pytest.mark.parametrize(
    ("price", "milli", "ran", "expected"),
    [
        (2_500_000, 1000, HOUR, 2_500_000),
        (2_500_000, 8 * 1000, 36 * HOUR, 720_000_000),
        (1, 1000, HOUR, 1),
        (1, 1000, HOUR - timedelta(microseconds=1), 0),
        (3, 333, HOUR, 0),
        (1_000_000, 500, timedelta(seconds=1), 138),
        (10**12, 10_000_000, timedelta(days=3650), 10**12 * 10_000 * 87_600),
        (7, 1000, timedelta(), 0),
    ],
)
def test_a_cost_is_exact_and_rounded_down(
    price: int, milli: int, ran: timedelta, expected: int
) -> None:
    """Devices, their shares, time and price in whole numbers, however large."""
    assert eur(expected) == cost(eur(price), milli, ran)


def test_without_a_price_there_is_no_cost() -> None:
    """Not zero, which would be a price."""
    assert cost(None, 1000, HOUR) is None


@pytest.mark.parametrize(
    ("price", "limit", "expected"),
    [
        (None, None, None),
        (None, eur(3), None),
        (eur(5), None, eur(5)),
        (eur(5), eur(3), eur(3)),
        (eur(2), eur(3), eur(2)),
        (eur(2), Money(9, "USD"), Money(9, "USD")),
    ],
)
def test_a_run_is_charged_the_price_but_no_more_than_was_promised(
    price: Money | None, limit: Money | None, expected: Money | None
) -> None:
    """A promise in another currency holds as it was made; no price stays no price."""
    assert expected == charged(price, limit)


def test_a_price_is_that_of_provider_and_model() -> None:
    """Work without devices has none, nor has what nobody priced."""
    assert eur(2_500_000) == PRICES.at(placement(0, 1))
    assert PRICES.at(placement()) is None
    assert PRICES.of("local", "H100") is None
    assert PRICES.of("elsewhere", "T4") is None


def test_every_end_of_a_run_has_its_cost() -> None:
    """At the price of its start, for what it ran; what never started has none."""
    waiting = workload(demand=Demand(count=2), hourly_price_limit=eur(2_000_000))
    running, _ = verbs.start(waiting, "a", placement(0, 1), NOW, eur(2_500_000))
    assert eur(2_000_000) == running.hourly_price
    finished, told = verbs.finish(running, SUCCEEDED, HOUR / 2, LATER)
    assert eur(2_000_000) == finished.cost == told.cost
    cancelled, stopped = verbs.cancel(running, "", HOUR, LATER)
    assert eur(4_000_000) == cancelled.cost == stopped.cost
    preempted, over = verbs.preempt(running, "b", PreemptionCause.ORDER, HOUR, LATER)
    assert eur(4_000_000) == preempted.cost == over.cost
    assert PreemptionCause.ORDER is preempted.cause
    assert verbs.cancel(waiting, "", HOUR, LATER)[0].cost is None
    unpriced, _ = verbs.start(workload(), "a", placement(0), NOW)
    assert verbs.finish(unpriced, SUCCEEDED, HOUR, LATER)[0].cost is None


def node(name: str, model: str, **fields: Any) -> Node:
    """A node of one device in a pool named after its model."""
    return Node(name, name, model.lower(), "local", ResourceType.GPU, model, 1, **fields)


def quoting(*nodes: Node, policy: Policy | None = None) -> LiveEngine:
    """An engine that knows prices, and over whose clock sixty seconds pass in one."""
    it = LiveEngine({"": policy or Policy()}, prices=PRICES, speed=60.0)
    for each in nodes:
        it.apply(NodeUp(each))
    it.plan(EPOCH)
    return it


def spec(**fields: Any) -> WorkloadSpec:
    """A workload that takes an hour, and two at most."""
    usual: dict[str, Any] = {"estimated_duration": HOUR, "max_runtime": 2 * HOUR}
    return WorkloadSpec(id="", **usual | fields)


def test_a_quote_costs_the_estimate_to_the_limit_where_it_may_run() -> None:
    """At its own model, by the prices of now; the share of a device counts."""
    it = quoting(node("a", "A100"), node("t", "T4"))
    quoted = finished(it.quote(spec(demand=Demand(gpu_type="A100", milli_per_device=500)), EPOCH))
    assert (eur(1_250_000), eur(2_500_000)) == (quoted.cost_low, quoted.cost_high)
    assert (eur(2_500_000), "a100") == (quoted.hourly_price_high, quoted.pool)


def test_a_quote_of_any_model_reaches_from_where_it_would_run_to_the_dearest() -> None:
    """It would start on what is free now, but nothing holds that for it."""
    nodes = [node("t", "T4"), node("a", "A100")]
    it = quoting(*(Node(n.id, n.name, "p", *_rest(n)) for n in nodes))
    quoted = finished(it.quote(spec(), EPOCH))
    assert isinstance(quoted.placement, Placement)
    assert "t" == quoted.placement.slices[0].node
    assert (eur(400_000), eur(5_000_000)) == (quoted.cost_low, quoted.cost_high)


def _rest(it: Node) -> tuple[Any, ...]:
    return it.provider, it.resource_type, it.gpu_type, it.devices


def test_unknown_prices_and_times_leave_the_cost_unknown() -> None:
    """One model without a price among those it may run on is enough; so is no duration."""
    it = quoting(node("h", "H100"), node("a", "A100"))
    assert finished(it.quote(spec(demand=Demand(gpu_type="H100")), EPOCH)).cost_high is None
    timeless = WorkloadSpec(id="", demand=Demand(gpu_type="A100"))
    quoted = finished(it.quote(timeless, EPOCH))
    assert (None, None, eur(2_500_000)) == (
        quoted.cost_low,
        quoted.cost_high,
        quoted.hourly_price_high,
    )
    cores = finished(it.quote(spec(demand=Demand(ResourceType.CPU)), EPOCH))
    assert (None, None) == (cores.cost_low, cores.hourly_price_high)


def test_predicted_running_times_are_what_a_quote_reckons_with() -> None:
    """Where the pool's policy predicts; what half, and nine of ten, did not exceed."""
    it = quoting(node("a", "A100"), policy=Policy(durations=DurationSource.PREDICTION))
    at = EPOCH
    for minutes in range(1, 11):
        name = f"w{minutes}"
        it.apply(Submitted(WorkloadSpec(id=name, owner_id="ada"), at))
        it.plan(at)
        at += timedelta(minutes=minutes)
        it.apply(Finished(name))
        it.plan(at)
    quoted = finished(it.quote(spec(owner_id="ada", max_runtime=None), at))
    # Five and nine minutes of the clock are five and nine hours of the workload.
    assert (eur(12_500_000), eur(22_500_000)) == (quoted.cost_low, quoted.cost_high)


def test_a_cheaper_model_is_an_option_even_where_the_start_is_at_once() -> None:
    """With what it would cost there; a dearer one that starts no sooner is none."""
    it = quoting(node("a", "A100"), node("t", "T4"))
    quoted = finished(it.quote(spec(demand=Demand(gpu_type="A100"), pool="a100"), EPOCH))
    assert Verdict.STARTS_NOW is quoted.verdict
    assert [("Take T4 in t4.", "T4", "", EPOCH, eur(400_000))] == [
        (it.message, it.demand.gpu_type, it.pool, it.start_p50, it.cost) for it in quoted.options
    ]
    assert () == finished(it.quote(spec(demand=Demand(gpu_type="T4")), EPOCH)).options
