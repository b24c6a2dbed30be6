"""`make bench-end-to-end`: jobs per second from SubmitJob until COMPLETED is seen on WatchJobs.

Jobs of zero simulated length, approved by rule, 64 of them between submit and completion at any
time; three services with a database each, SQLite with every commit on disk.
"""

from __future__ import annotations

import argparse
import statistics

from bench import messages, report
from bench.accounts import register
from bench.load.meter import Result
from bench.load.plan import EndToEndLoad, run
from bench.machine import sync_ms
from bench.pairs import spread
from bench.systems import Make, running
from local.supervisor import System


def main() -> None:
    """Measures and reports."""
    options = parse()
    make: Make = options.database
    with running(make, auto_approve=True) as system:
        synced = sync_ms(system.layout.data)
        results = measure(system, options.rounds, options.seconds)
    rates = [result.rate for result in results]
    medians = [result.p50_ms for result in results]
    slowest = [result.p99_ms for result in results]
    report.show(
        f"Submit to completion on {make}, 64 in flight; a write and its fdatasync {synced:.2f} ms",
        ["", "median", "spread"],
        [
            row("jobs per second", rates),
            row("median time, ms", medians),
            row("99th percentile, ms", slowest),
        ],
    )
    report.finish(
        {
            "jobs_per_s": statistics.median(rates),
            "submit_to_completed_p50_ms": statistics.median(medians),
        }
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.end_to_end", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=5, help="measurements (default: 5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one (default: 5)")
    return parser.parse_args()


def measure(system: System, rounds: int, seconds: float) -> list[Result]:
    """Runs the load several times on one system, whose tables grow meanwhile."""
    load = EndToEndLoad(
        address=system.target("job_service"),
        token=register(system.url, "bench").token,
        request=messages.submit_request(simulated_s=0),
        measured=seconds,
    )
    return [run(load) for _ in range(rounds)]


def row(name: str, values: list[float]) -> list[str]:
    """Returns a line of the table."""
    return [name, f"{statistics.median(values):,.0f}", spread(values)]


if __name__ == "__main__":
    main()
