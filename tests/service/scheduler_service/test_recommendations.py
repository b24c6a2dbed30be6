"""Recommendations over the wire."""

from typing import Any

import pytest

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from servicekit.errors import FailedPrecondition, InvalidArgument
from tests.service.scheduler_service.conftest import House


async def recommended(house: House, **asked: Any) -> pb.StrategyRecommendations:
    """Asks for recommendations."""
    return (await house.scheduler.Recommend(pb.RecommendRequest(**asked))).recommendations


async def test_each_strategy_is_recommended_a_provider(house: House) -> None:
    """With score, price, wait and a sentence that says why."""
    await house.pools()
    found = await recommended(house, estimated_hours=2)
    # All are free; the T4 is better in all together.
    assert [("T4", 1.0), ("A100", 1.0), ("T4", 1.0)] == [
        (it.gpu_type, it.score) for it in (found.cost, found.performance, found.availability)
    ]
    assert {"local"} == {it.provider for it in (found.cost, found.performance, found.balanced)}
    assert (400_000, "USD") == (
        found.cost.hourly_price.micros,
        found.cost.hourly_price.currency_code,
    )
    assert "1 x T4 in inference, 0.80 USD for 2 h, starts at once." == found.cost.message
    assert found.cost.HasField("expected_wait")
    named = await recommended(house, gpu_type="V100", gpu_count=4)
    assert {"V100"} == {it.gpu_type for it in (named.cost, named.performance, named.balanced)}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"gpu_type": "H100"}, "GPU_TYPE_UNKNOWN"),
        ({"gpu_type": "\0"}, "FIELD_INVALID"),
        ({"gpu_count": -1}, "FIELD_INVALID"),
        ({"estimated_hours": float("nan")}, "FIELD_INVALID"),
        ({"estimated_hours": -1.0}, "FIELD_INVALID"),
    ],
)
async def test_a_question_without_sense_is_refused(
    house: House, asked: dict[str, Any], reason: str
) -> None:
    """With the reason; what makes no sense is named."""
    await house.pools()
    with pytest.raises(InvalidArgument) as refused:
        await recommended(house, **asked)
    assert reason == refused.value.reason
    if reason == "FIELD_INVALID":
        assert {"field": next(iter(asked))} == refused.value.metadata


async def test_where_nobody_has_it_there_is_no_provider(house: House) -> None:
    """It exists, but never so much of it."""
    await house.pools()
    with pytest.raises(FailedPrecondition) as refused:
        await recommended(house, gpu_type="V100", gpu_count=5)
    assert "NO_PROVIDER" == refused.value.reason
