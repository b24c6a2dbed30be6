"""Command line of the replay: progress while it runs, then a table and one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import report
from bench.cluster import Cluster
from bench.replay import trace
from bench.replay.faults import ORDER
from bench.replay.outcome import MILLI_GPU_SECONDS_PER_HOUR, Outcome
from bench.replay.run import Replay
from bench.replay.submitter import Refused
from bench.replay.watcher import OutOfOrder
from bench.systems import running
from local.supervisor import StartFailed

DEFAULT_SPEED = 20_000.0
EXPECTED = (Refused, OutOfOrder, httpx.HTTPError, TimeoutError, StartFailed)


def main(arguments: list[str] | None = None) -> int:
    """Replays and reports; returns 0 only if every promise was kept."""
    options = parse(arguments)
    try:
        jobs = trace.read(options.trace, options.jobs)
    except (trace.TraceUnreadable, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    cluster = Cluster(gpus_per_node=trace.GPUS_PER_NODE, speed=options.speed)
    with running(options.database, auto_approve=True, cluster=cluster) as system:
        replay = Replay(system, jobs, options.speed, kill=ORDER if options.kill else ())
        outcome = followed(replay)
    if outcome is None:
        return 1
    show(replay, outcome, options)
    return 0 if outcome.is_clean else 1


def followed(replay: Replay) -> Outcome | None:
    """Runs the replay under a progress bar; says why and returns None where it broke off."""
    try:
        with progress_of(replay):
            return asyncio.run(replay.run())
    except* EXPECTED as failures:
        print("the replay broke off:", *leaves(failures), sep="\n  ", file=sys.stderr)
    return None


def leaves(failures: BaseExceptionGroup[BaseException]) -> list[str]:
    """Returns what really went wrong, one line each."""
    lines: list[str] = []
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            lines += leaves(failure)
        else:
            lines.append(f"{type(failure).__name__}: {failure}")
    return lines


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--trace", type=Path, required=True, help=trace.__doc__)
    parser.add_argument("--jobs", type=int, default=3000, help="how many (default: 3000)")
    parser.add_argument(
        "--speed",
        type=float,
        default=DEFAULT_SPEED,
        help="seconds of the trace in one second (default: 20000)",
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument(
        "--kill", action="store_true", help="kill each process in turn and start it again"
    )
    return parser.parse_args(arguments)


def progress_of(replay: Replay) -> Progress:
    """Returns what shows how far the replay is."""
    progress = Progress(
        TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
    submitted = progress.add_task("submitted", total=len(replay.jobs))
    ended = progress.add_task("ended", total=len(replay.jobs))

    def show_progress(submitted_count: int, ended_count: int) -> None:
        progress.update(submitted, completed=submitted_count)
        progress.update(ended, completed=ended_count)

    replay.on_progress = show_progress
    return progress


def show(replay: Replay, outcome: Outcome, options: argparse.Namespace) -> None:
    """Prints the table and the line of JSON."""
    title = f"{len(replay.jobs):,} jobs at {options.speed:,.0f} x on {options.database}"
    report.show(title, ["", "figure"], rows(replay, outcome))
    report.finish(
        {
            "submitted": outcome.submitted,
            "ended": outcome.ended,
            "lost": outcome.lost,
            "doubled": outcome.doubled,
            "ledger_difference": outcome.ledger.difference,
            "mean_wait_s": outcome.mean_wait_s,
        }
    )


def rows(replay: Replay, outcome: Outcome) -> list[list[str]]:
    """Returns the table's lines."""
    ledger = outcome.ledger
    states = sorted(outcome.states.items())
    return [
        ["submitted and acknowledged", f"{outcome.submitted:,}"],
        *([state.lower(), f"{count:,}"] for state, count in states),
        ["lost", f"{outcome.lost:,}"],
        ["doubled", f"{outcome.doubled:,}"],
        ["ends not seen on a stream", f"{outcome.unseen:,}"],
        ["mean wait, s of the trace", f"{outcome.mean_wait_s:,.0f}"],
        ["p99 wait, s of the trace", f"{outcome.p99_wait_s:,.0f}"],
        ["mean wait here, ms", f"{1e3 * outcome.mean_wait_s / replay.speed:,.0f}"],
        ["GPU-hours reserved", hours(ledger.reserved)],
        ["GPU-hours settled", hours(ledger.settled)],
        ["GPU-hours refunded", hours(ledger.refunded)],
        ["ledger difference, GPU-hours", hours(ledger.difference)],
        ["killed and restarted", ", ".join(replay.killed) or "nothing"],
        ["submits repeated", f"{replay.retries:,}"],
        ["streams resumed", f"{replay.resumed:,}"],
        ["seconds", f"{replay.seconds:,.0f}"],
    ]


def hours(milli_gpu_seconds: int) -> str:
    """Writes an amount of GPU time for people."""
    return f"{milli_gpu_seconds / MILLI_GPU_SECONDS_PER_HOUR:,.3f}"


if __name__ == "__main__":
    sys.exit(main())
