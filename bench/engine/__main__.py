"""Command line: each measurement in a process of its own, tables, and one line of JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from rich.console import Console

from bench import report
from bench.engine import latency, throughput, workloads

P = ParamSpec("P")
T = TypeVar("T")

GROWTH_JOBS = 50_000
GROWTH_NODES = (1_000, 4_000, workloads.NODES)
GROWTH_WAITING = (1_000, 10_000, 100_000)
TARGETS = {"fifo": 50_000, "smallest_service": 50_000, "fgd_fractions": 3_000}
MOST_MIB = 1_500
MOST_MS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures everything and reports it; ends with 0 if every target is met."""
    options = parse(arguments)
    data: Path | None = options.data
    rates = {
        name: alone(f"{name}, {options.jobs:,} jobs", run, data, options.jobs)
        for name, run in throughput.RUNS.items()
    }
    waits = {
        (policy, waiting): alone(
            f"steps, {policy}, {waiting:,} waiting", latency.measure, data, policy, waiting
        )
        for waiting in GROWTH_WAITING
        for policy in latency.MEASURED
    }
    growth = {
        (name, nodes): alone(f"{name}, {nodes:,} nodes", run, data, GROWTH_JOBS, nodes)
        for name, run in throughput.RUNS.items()
        for nodes in GROWTH_NODES
    }
    show(rates, waits, growth)
    return 0 if finish(rates, waits) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the public traces (or generated)")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="(default: 1,000,000)")
    return parser.parse_args(arguments)


def alone(what: str, run: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs in a fresh process, whose peak of memory is then its own."""
    with (
        Console(stderr=True).status(what),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(run, *args, **kwargs).result()


def show(
    rates: dict[str, throughput.Rate],
    waits: dict[tuple[str, int], list[latency.Steps]],
    growth: dict[tuple[str, int], throughput.Rate],
) -> None:
    """Prints the tables."""
    report.show(
        f"Whole simulations on {workloads.NODES:,} nodes x {workloads.GPUS} GPUs",
        ["", "jobs", "decisions per CPU s", "longest queue", "peak MiB"],
        [
            [
                name,
                f"{it.jobs:,}",
                f"{it.decisions_per_s:,.0f}",
                f"{it.most_waiting:,.0f}",
                f"{it.peak_mib:,.0f}",
            ]
            for name, it in rates.items()
        ],
    )
    report.show(
        f"One step with one event, all {workloads.NODES:,} nodes full, CPU ms",
        ["", "waiting", "event", "p50", "p99", "longest"],
        [
            [
                it.policy,
                f"{it.waiting:,}",
                it.event,
                *(f"{ms:.3f}" for ms in (it.p50_ms, it.p99_ms, it.longest_ms)),
            ]
            for kinds in waits.values()
            for it in kinds
        ],
    )
    report.show(
        f"Growth with nodes: decisions per CPU s, {GROWTH_JOBS:,} jobs, equal load",
        ["", *(f"{nodes:,} nodes" for nodes in GROWTH_NODES)],
        [
            [name, *(f"{growth[name, nodes].decisions_per_s:,.0f}" for nodes in GROWTH_NODES)]
            for name in throughput.RUNS
        ],
    )


def finish(
    rates: dict[str, throughput.Rate], waits: dict[tuple[str, int], list[latency.Steps]]
) -> bool:
    """Prints the JSON; says whether every target is met."""
    longest = {
        policy: max(it.p99_ms for it in waits[policy, GROWTH_WAITING[-1]])
        for policy in latency.MEASURED
    }
    peak = max(it.peak_mib for it in rates.values())
    met = (
        all(rates[name].decisions_per_s >= target for name, target in TARGETS.items())
        and peak < MOST_MIB
        and max(longest.values()) < MOST_MS
    )
    report.finish(
        {
            **{f"{name}_decisions_per_s": it.decisions_per_s for name, it in rates.items()},
            **{f"{policy}_step_p99_ms": value for policy, value in longest.items()},
            # Some shorter queue may be the harder one: it depends on who heads it.
            "worst_step_p99_ms": max(it.p99_ms for kinds in waits.values() for it in kinds),
            "peak_mib": peak,
            "met": int(met),
        }
    )
    return met


if __name__ == "__main__":
    sys.exit(main())
