"""What a run shows for: a table for people, and JSON for programs."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

from rich.table import Table

from scheduler_service.simulate.metrics import Figures

HOUR = 3600


def table(title: str, figures: Mapping[str, Figures]) -> Table:
    """One column for each policy."""
    result = Table(title=title, title_justify="left", caption=CAPTION, caption_justify="left")
    result.add_column("")
    for name in figures:
        result.add_column(name, justify="right")
    for label, values in zip(LABELS, zip(*map(cells, figures.values()), strict=True), strict=True):
        result.add_row(label, *values, end_section=label in SECTIONS)
    return result


CAPTION = (
    "Queue: from submission to the first start. Wait: time in the system without progress. "
    "Bounded slowdown: time in the system by service, both at least 10 s. "
    "Fairness: Jain's index over teams' service by time in the system."
)

LABELS = (
    "jobs that ended",
    "left waiting or refused",
    "queue, mean",
    "queue, p50",
    "queue, p99",
    "queue, p99.9",
    "queue, longest",
    "wait, mean",
    "completion (JCT), mean",
    "completion (JCT), p50",
    "completion (JCT), p99",
    "bounded slowdown, mean",
    "bounded slowdown, p99",
    "makespan",
    "utilisation",
    "preemptions",
    "lost GPU-hours",
    "fairness",
    "decisions",
    "decisions per CPU second",
)
SECTIONS = {
    "left waiting or refused",
    "queue, longest",
    "wait, mean",
    "completion (JCT), p99",
    "bounded slowdown, p99",
    "utilisation",
    "lost GPU-hours",
    "fairness",
}


def cells(it: Figures) -> tuple[str, ...]:
    """The figures of one run in the order of ``LABELS``."""
    return (
        f"{it.ended:,}",
        f"{it.jobs - it.ended:,}",
        span(it.queue.mean),
        span(it.queue.p50),
        span(it.queue.p99),
        span(it.queue.p999),
        span(it.queue.longest),
        span(it.wait.mean),
        span(it.jct.mean),
        span(it.jct.p50),
        span(it.jct.p99),
        f"{it.slowdown.mean:,.2f}",
        f"{it.slowdown.p99:,.1f}",
        span(it.makespan_s),
        f"{it.utilisation:.1%}",
        f"{it.preemptions:,}",
        f"{it.lost_gpu_hours:,.1f}",
        f"{it.fairness:.3f}",
        f"{it.decisions:,}",
        f"{it.decisions_per_s:,.0f}",
    )


def span(seconds: float) -> str:
    """A span of time, as people read it: two units at most."""
    if math.isnan(seconds):
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s"
    days, rest = divmod(round(seconds), 24 * HOUR)
    hours, minutes = rest // HOUR, rest % HOUR // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest % 60:02d} s"


def as_json(figures: Mapping[str, Figures]) -> str:
    """One object with the figures of each policy, seconds and parts of 1, null for unknown."""
    return json.dumps({name: _plain(asdict(it)) for name, it in figures.items()})


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
