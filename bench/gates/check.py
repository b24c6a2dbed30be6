"""One figure, and what it has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Want(Protocol):
    """What a figure has to be."""

    @property
    def text(self) -> str:
        """As people read it."""

    def holds(self, measured: float) -> bool:
        """Whether a figure is so."""


@dataclass(frozen=True, slots=True)
class Exactly:
    """A published figure, to its last digit or to a tolerance."""

    value: float
    tolerance: float

    @property
    def text(self) -> str:
        """As people read it."""
        return f"{self.value:,} ± {self.tolerance:g}"

    def holds(self, measured: float) -> bool:
        """Whether a figure is so."""
        # A figure that was published rounded is half a digit away from what was rounded.
        return abs(measured - self.value) <= self.tolerance * (1 + 1e-6)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A figure that has to be reached."""

    value: float

    @property
    def text(self) -> str:
        """As people read it."""
        return f"≥ {self.value:,}"

    def holds(self, measured: float) -> bool:
        """Whether a figure is so."""
        return measured >= self.value


@dataclass(frozen=True, slots=True)
class AtMost:
    """A figure that must not be passed."""

    value: float

    @property
    def text(self) -> str:
        """As people read it."""
        return f"≤ {self.value:,}"

    def holds(self, measured: float) -> bool:
        """Whether a figure is so."""
        return measured <= self.value


@dataclass(frozen=True, slots=True)
class Reported:
    """A figure that is told and not judged; ``beside`` is what to compare it with."""

    beside: str = ""

    @property
    def text(self) -> str:
        """As people read it."""
        return self.beside

    def holds(self, measured: float) -> bool:
        """Whatever it is."""
        return True


@dataclass(frozen=True, slots=True)
class Check:
    """A figure that was measured.

    Attributes:
        figure: its name in the JSON, unique over all gates.
        unit: of the figure: s, %, GPU-hours, or nothing for a number.
    """

    figure: str
    measured: float
    want: Want
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as it has to be."""
        return self.want.holds(self.measured)
