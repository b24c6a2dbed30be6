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
WIDTH, HEIGHTS, BAR = 11.0, (2.7, 2.0), 0.36
GAPS = (1.05, 0.55, 0.95, 0.2)
"""Inches: of the whole, of the panels, of a bar; above, between and below the panels."""

NAME = 20
"""Letters of a policy's name that are shown."""

SMOOTH = 4
"""Spans that make one point of utilisation, which changes with every start and end."""

COMPARED: dict[str, Callable[[Figures], float]] = {
    "Mean queue": lambda it: it.queue.mean,
    "Mean wait, preemption included": lambda it: it.wait.mean,
    "p99 wait": lambda it: it.wait.p99,
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
        Series(Path(name).stem[:NAME], COLOURS[place % len(COLOURS)], *run)
        for place, (name, run) in enumerate(runs.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = _figure(title, series)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=144, metadata=metadata)


def _figure(title: str, series: Sequence[Series]) -> Figure:
    bars = BAR * len(series)
    height = sum(HEIGHTS) + bars + sum(GAPS)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    figure.text(0.3 / WIDTH, 1 - 0.42 / height, title, fontsize=14, fontweight="bold")
    left = 0.55 + 0.075 * max(len(it.name) for it in series)
    top = height
    boxes = []
    # The places are set by hand: what finds them by itself is not the same to the last digit twice.
    for gap, tall in zip(GAPS, (*HEIGHTS, bars), strict=False):
        top -= gap + tall
        boxes.append((left / WIDTH, top / height, (WIDTH - left - 0.35) / WIDTH, tall / height))
    queue = figure.add_axes(boxes[0])
    _over_time(queue, series, "Jobs waiting", QUEUED)
    busy = figure.add_axes(boxes[1], sharex=queue)
    _over_time(busy, series, "Devices in use, %", BUSY)
    busy.set_ylim(0, 103)
    x, y, wide, tall = boxes[2]
    for place, (quantity, value_of) in enumerate(COMPARED.items()):
        axes = figure.add_axes((x + place * wide / 3, y, wide / 3, tall))
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
    axes.yaxis.set_major_formatter("{x:,.0f}")
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
    axes.set_xlim(0, max(*seconds, 1e-9) * 1.55)
    axes.set_ylim(-0.5, len(series) - 0.5)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _unit(seconds: float) -> tuple[int, str]:
    if seconds > 3 * DAY:
        return DAY, "Days"
    return (HOUR, "Hours") if seconds > 3 * HOUR else (60, "Minutes")
