"""Ratios that hold on a machine whose speed drifts: reference and subject measured in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rates measured side by side; both sequences have one value for each pair."""

    references: Sequence[float]
    subjects: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Subject divided by reference, pair by pair."""
        return [s / r for s, r in zip(self.subjects, self.references, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)


def interleave(reference: Callable[[], float], subject: Callable[[], float], pairs: int) -> Pairs:
    """Measures `pairs` times each, back to back, and the other one first every second time.

    Whatever drifts steadily then helps each of them as often as the other.
    """
    references, subjects = [], []
    for number in range(pairs):
        if number % 2:
            subjects.append(subject())
            references.append(reference())
        else:
            references.append(reference())
            subjects.append(subject())
    return Pairs(references, subjects)


def spread(values: Sequence[float]) -> str:
    """Returns smallest and largest value as people write a range."""
    lowest, highest = min(values), max(values)
    return f"{lowest:,.0f}-{highest:,.0f}" if highest >= 10 else f"{lowest:.2f}-{highest:.2f}"
