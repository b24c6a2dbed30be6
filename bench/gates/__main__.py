"""Holds the engine against published results: a table for people, JSON as the very last line.

Ends with 0 only if every figure is what it has to be.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import report
from bench.gates.check import Check, Exactly

GATES = (
    "queueing",
    "repacking",
    "one_pool",
    "packing",
    "turnover",
    "prediction",
    "preemption",
    "sharing",
)
"""Modules beside this one with a function ``checks``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the gates, several at a time."""
    options = parse(arguments)
    names = options.only or list(GATES)
    if not options.data.is_dir():
        print(f"{options.data}: there is no such folder of traces", file=sys.stderr)
        return 2
    done, skipped = run(names, options.data, options.processes)
    for name in names:
        if name in done:
            report.show(name, ["", "measured", "wanted", ""], [row(check) for check in done[name]])
    for name, why in skipped.items():
        print(f"{name} was skipped: {why}")
    checks = [check for name in names for check in done.get(name, ())]
    missed = [check.figure for check in checks if not check.holds]
    print(f"{len(checks) - len(missed)} of {len(checks)} figures are as they have to be")
    finish(checks)
    return 1 if missed or skipped else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.gates", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public traces")
    parser.add_argument("--only", action="append", choices=GATES, help="may be repeated")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="(default: one for each core)"
    )
    return parser.parse_args(arguments)


def run(
    names: Iterable[str], data: Path, processes: int
) -> tuple[dict[str, list[Check]], dict[str, str]]:
    """Returns the checks of each gate, and why others were skipped."""
    done: dict[str, list[Check]] = {}
    skipped: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        ProcessPoolExecutor(processes) as pool,
        Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress,
    ):
        waiting: dict[Future[list[Check]], str] = {
            pool.submit(checked, name, data): name for name in names
        }
        task = progress.add_task("gates", total=len(waiting))
        for future in as_completed(waiting):
            try:
                done[waiting[future]] = future.result()
            except FileNotFoundError as absent:
                skipped[waiting[future]] = str(absent)
            progress.advance(task)
    return done, skipped


def checked(name: str, data: Path) -> list[Check]:
    """Runs one gate to its end."""
    return list(import_module(f"bench.gates.{name}").checks(data))


def row(check: Check) -> list[str]:
    """A line of the table."""
    digits = 3 if isinstance(check.want, Exactly) and check.want.tolerance < 0.005 else 2
    measured = f"{check.measured:,.{digits}f} {check.unit}".rstrip()
    verdict = "holds" if check.holds else "MISSED"
    return [check.figure, measured, check.want.text, verdict]


def finish(checks: Sequence[Check]) -> None:
    """Prints the JSON; figures keep the digits that they are held against."""
    figures: Mapping[str, float] = {check.figure: round(check.measured, 4) for check in checks}
    missed = [check.figure for check in checks if not check.holds]
    print(json.dumps({"held": len(checks) - len(missed), "missed": missed, **figures}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
