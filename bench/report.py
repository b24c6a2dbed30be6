"""How a measurement ends: a table for people, and one JSON object as the very last line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

WIDTH_WITHOUT_TERMINAL = 110

Figures = Mapping[str, float]


def console() -> Console:
    """Returns where people read, wide enough for the tables where it is no terminal."""
    is_terminal = sys.stdout.isatty()
    return Console(width=None if is_terminal else WIDTH_WITHOUT_TERMINAL, highlight=False)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table whose first column is text and whose others are figures."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def finish(figures: Figures) -> None:
    """Prints the JSON object; nothing may be printed after it."""
    print(json.dumps({name: rounded(value) for name, value in figures.items()}), flush=True)


def rounded(value: float) -> float:
    """Returns whole numbers as they are and others with four significant digits at least."""
    return value if isinstance(value, int) else float(f"{value:.{4 if abs(value) < 1e4 else 8}g}")
