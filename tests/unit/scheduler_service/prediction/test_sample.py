"""A bounded sample of durations, against sorting it anew."""

from random import Random

import pytest

from scheduler_service.domain.prediction.sample import Sample


def test_the_oldest_goes_first() -> None:
    """Beyond its size a sample keeps the latest; ``seen`` counts all."""
    sample = Sample(3)
    for duration in (10, 40, 20, 30):
        sample.add(duration)
    assert (3, 4) == (len(sample), sample.seen)
    assert sample.total == 40 + 20 + 30


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 10), (25, 10), (26, 20), (50, 20), (90, 40), (100, 40)]
)
def test_a_quantile_is_a_duration_that_occurred(percent: int, expected: int) -> None:
    """Of 10, 20, 30 and 40 the median is 20: half of them do not exceed it."""
    sample = Sample(10)
    for duration in (30, 10, 40, 20):
        sample.add(duration)
    assert expected == sample.quantile(percent)


def test_it_says_what_sorting_anew_says() -> None:
    """After every one of many durations, sum and quantiles are those of the latest fifty."""
    random = Random(7)
    sample, durations = Sample(50), []
    for _ in range(500):
        duration = random.choice([5, 60, random.randrange(1, 1_000_000)])
        durations.append(duration)
        sample.add(duration)
        latest = sorted(durations[-50:])
        assert sum(latest) == sample.total
        for percent in (1, 50, 90, 100):
            rank = max(1, -(-percent * len(latest) // 100))
            assert latest[rank - 1] == sample.quantile(percent)
