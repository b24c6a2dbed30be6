"""Whether times tell known users: what the classifier sees, and that it sees nothing in noise."""

from random import Random

import pytest

from bench.guessing import Sample, held_out_accuracy


def samples(random: Random, shift: float, width: float, count: int = 2_000) -> list[Sample]:
    """Times around 500 ms; those of known users are moved, and spread by another width."""
    known = [Sample(random.gauss(500 + shift, width), True) for _ in range(count)]
    unknown = [Sample(random.gauss(500, 1.0), False) for _ in range(count)]
    mixed = known + unknown
    random.shuffle(mixed)
    return mixed


@pytest.mark.parametrize(
    ("shift", "width", "least", "most"),
    [
        (0.0, 1.0, 0.45, 0.55),
        (10.0, 1.0, 0.99, 1.0),
        (-10.0, 1.0, 0.99, 1.0),
        (0.0, 0.1, 0.8, 1.0),
        (0.5, 1.0, 0.56, 0.65),
    ],
)
def test_what_can_be_told_is_told(shift: float, width: float, least: float, most: float) -> None:
    """Slower, faster or steadier answers for known users; of the same times it makes nothing."""
    assert least <= held_out_accuracy(samples(Random(7), shift, width)) <= most
