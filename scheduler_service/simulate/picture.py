"""The picture of a run: queue and utilisation over time, and how the policies compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scheduler_service.simulate.metrics import Figures
from scheduler_service.simulate.outcome import Outcome
from scheduler_service.simulate.report import span

# Colours that people who see few colours can tell apart (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B", "#000000")
INK, FAINT, GRID = "#22272E", "#6B7280", "#E5E7EB"
DAY, HOUR = 86_400, 3600
QUEUED, BUSY = 1, 2
SMOOTH = 4
"""Spans that make one point of utilisation, which changes with every start and end."""

COMPARED: dict[str, Callable[[Figures], float]] = {
    "Mean queue": lambda it: it.queue.mean,
    "p99 queue": lambda it: it.queue.p99,
    "Mean completion": lambda it: it.jct.mean,
}

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.bottom": False,
    "ytick.left": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "gpuaas",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One policy's run."""

    name: str
    colour: str
    outcome: Outcome
    figures: Figures


def draw(path: Path, title: str, runs: Mapping[str, tuple[Outcome, Figures]]) -> None:
    """Writes the picture as SVG or PNG, as the file's name says. Equal runs give equal files.

    Raises:
        OSError: the file cannot be written.
    """
    series = [
        Series(name, COLOURS[place % len(COLOURS)], *run)
        for place, (name, run) in enumerate(runs.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = _figure(title, series)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=144, metadata=metadata)


def _figure(title: str, series: Sequence[Series]) -> Figure:
    bars = 0.32 * len(series) + 0.5
    figure = Figure(figsize=(11, 6.1 + bars), facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.12, w_pad=0.12)
    figure.suptitle(title, x=0.012, ha="left", fontsize=14, fontweight="bold")
    rows = figure.add_gridspec(3, 3, height_ratios=[2.9, 2.2, bars])
    queue = figure.add_subplot(rows[0, :])
    _over_time(queue, series, "Jobs waiting", QUEUED)
    busy = figure.add_subplot(rows[1, :], sharex=queue)
    _over_time(busy, series, "Devices in use, %", BUSY)
    busy.set_ylim(0, 103)
    for place, (quantity, value_of) in enumerate(COMPARED.items()):
        axes = figure.add_subplot(rows[2, place])
        _compare(axes, series, quantity, [value_of(it.figures) for it in series])
        if place:
            axes.set_yticklabels([])
    return figure


def _over_time(axes: Axes, series: Sequence[Series], title: str, column: int) -> None:
    unit = _unit(max(it.figures.makespan_s for it in series))
    for it in series:
        points = it.outcome.timeline.points(SMOOTH if column == BUSY else 1)
        scale = 100 / max(it.outcome.capacity, 1) if column == BUSY else 1
        axes.step(
            [point[0] / unit[0] for point in points],
            [point[column] * scale for point in points],
            where="mid",
            color=it.colour,
            linewidth=1.3,
            label=it.name,
        )
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, max(it.figures.makespan_s for it in series) / unit[0])
    axes.grid(visible=False, axis="x")
    if column == QUEUED:
        axes.tick_params(labelbottom=False)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(series), frameon=False)
    else:
        axes.set_xlabel(f"{unit[1]} since the first submission")


def _compare(axes: Axes, series: Sequence[Series], title: str, seconds: Sequence[float]) -> None:
    places = list(range(len(series)))[::-1]
    axes.barh(places, seconds, height=0.62, color=[it.colour for it in series])
    for place, value in zip(places, seconds, strict=True):
        axes.annotate(span(value), (value, place), (5, 0), textcoords="offset points", va="center")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_yticks(places, [it.name for it in series])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlim(0, max(*seconds, 1e-9) * 1.3)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _unit(seconds: float) -> tuple[int, str]:
    if seconds > 3 * DAY:
        return DAY, "Days"
    return (HOUR, "Hours") if seconds > 3 * HOUR else (60, "Minutes")
