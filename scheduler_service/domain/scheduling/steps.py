"""Answers that take long, worked out in steps, so that others have their turn in between."""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Yields after each step, and returns the answer. What it asks may change between two steps."""


def finished(steps: Steps[T]) -> T:
    """Takes all steps without a break."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: T = end.value
            return answer
