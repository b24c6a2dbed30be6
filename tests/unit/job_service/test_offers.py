"""What a job could cost at most, by what is on offer."""

from datetime import timedelta
from typing import Any

import pytest

from job_service.domain.approval import Decision, Rule
from job_service.domain.offers import Offer, Offers
from job_service.domain.prices import Money
from job_service.domain.spec import ResourceSpec, ResourceType
from tests.fakes.jobs import pending, spec

HOUR = timedelta(hours=1)
GPU, TPU = ResourceType.GPU, ResourceType.TPU
OFFERS = Offers(
    (
        Offer("training", "near", GPU, "A100", 3_000_000),
        Offer("training", "far", GPU, "A100", 2_000_000),
        Offer("serving", "near", GPU, "T4", 500_000),
        Offer("serving", "near", TPU, "v5", 7_000_000),
        Offer("attic", "near", GPU, "K80"),
    ),
    currency="USD",
)


@pytest.mark.parametrize(
    ("resources", "fields", "expected"),
    [
        ({"gpu_type": "A100"}, {}, 6_000_000),
        ({"gpu_type": "A100"}, {"provider": "far"}, 4_000_000),
        ({"gpu_type": "T4", "alternative_gpu_types": ("A100",)}, {}, 6_000_000),
        ({"gpu_type": "A100", "count": 8, "nodes": 2}, {}, 96_000_000),
        ({"gpu_type": "T4", "milli_gpu_per_device": 250}, {}, 250_000),
        ({}, {"pool": "serving"}, 1_000_000),
        ({"resource_type": TPU}, {}, 14_000_000),
        ({}, {}, None),
        ({"gpu_type": "K80"}, {}, None),
        ({"gpu_type": "A100"}, {"pool": "serving"}, None),
        ({"resource_type": ResourceType.CPU}, {}, None),
    ],
)
def test_the_dearest_place_counts(
    resources: dict[str, Any], fields: dict[str, Any], expected: int | None
) -> None:
    """For all time that is reserved; unknown where one price is, and without devices."""
    asked = spec(2, resources=ResourceSpec(**resources), **fields)
    found = OFFERS.dearest(asked)
    assert expected == (found.micros if found else None)


def test_what_cannot_be_divided_is_rounded_up() -> None:
    """A limit of costs is never passed by a fraction."""
    odd = Offers((Offer("p", "l", GPU, "T4", 1),), currency="USD")
    assert Money(1, "USD") == odd.dearest(spec(0.1))


def test_a_run_that_may_outlast_its_estimate_costs_its_estimate() -> None:
    """As it reserves; what it takes beyond that is billed."""
    asked = spec(1, resources=ResourceSpec(gpu_type="T4"), overruns=True)
    assert Money(500_000, "USD") == OFFERS.dearest(asked)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (Money(5, "USD"), True),
        (Money(6, "USD"), False),
        (Money(5, "EUR"), False),
        (None, False),
    ],
)
def test_a_rule_of_costs_matches_up_to_its_limit(cost: Money | None, *, expected: bool) -> None:
    """In its own currency only; a cost that nobody knows is within no limit."""
    rule = Rule("r", Decision.APPROVE, max_cost=Money(5, "USD"))
    assert expected == rule.matches(pending(), "USER", lambda _: cost)


def test_costs_are_only_asked_where_a_rule_goes_by_them() -> None:
    """They may take another read."""

    def never(_: Any) -> Money:
        raise AssertionError("asked")

    assert Rule("r", Decision.APPROVE).matches(pending(), "USER", never)
    by_team = Rule("r", Decision.APPROVE, frozenset({"x"}), max_cost=Money(1, "USD"))
    assert not by_team.matches(pending(), "USER", never)
