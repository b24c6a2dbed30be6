"""`make bench-submit`: durable submits per second, against the same messages merely echoed.

Reference and subject are measured in turn, so that their ratio holds while the machine's speed
drifts. Tokens are verified, quotas kept and every answer follows its commit on disk.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench import messages, report
from bench.accounts import register
from bench.echo.running import Echoes, echoes
from bench.load import http1
from bench.load.plan import GrpcLoad, RestLoad, run
from bench.load.template import PLACEHOLDER
from bench.machine import sync_ms
from bench.pairs import Pairs, interleave, spread
from bench.systems import analyze, running, scratch_folder

BATCHES_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How long to measure: `pairs` times each, `seconds` a time."""

    pairs: int
    seconds: float


def main() -> None:
    """Measures everything and reports it."""
    options = parse()
    with scratch_folder() as folder, echoes(folder) as reference:
        on_sqlite, rest, batches = measure_sqlite(reference, options)
        on_postgres = measure_postgres(reference, options)
        synced = sync_ms(folder)
    rows = [
        row("SubmitJob, gRPC, SQLite", on_sqlite),
        row("SubmitJob, gRPC, PostgreSQL", on_postgres),
        row("POST /api/v1/jobs, SQLite", rest),
    ]
    title = f"Submits per second, {options.pairs} pairs; a write and its fdatasync {synced:.2f} ms"
    report.show(title, ["", "echo", "this", "this, spread", "ratio", "ratio, spread"], rows)
    jobs = [messages.BATCH_SIZE * rate for rate in batches]
    line = [f"{statistics.median(jobs):,.0f}", spread(jobs)]
    report.show("Jobs per second", ["", "median", "spread"], [["BatchSubmitJobs, 8 x 100", *line]])
    report.finish(
        {
            "grpc_ratio_sqlite": on_sqlite.ratio,
            "grpc_ratio_postgres": on_postgres.ratio,
            "rest_ratio": rest.ratio,
            "batch_jobs_per_s": statistics.median(jobs),
        }
    )


def parse() -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.submit", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one (default: 3)")
    given = parser.parse_args()
    return Options(given.pairs, given.seconds)


def measure_sqlite(reference: Echoes, options: Options) -> tuple[Pairs, Pairs, list[float]]:
    """Returns the gRPC pairs, the REST pairs, and the rates of BatchSubmitJobs."""
    with running("sqlite", auto_approve=False) as system:
        token = register(system.url, "bench").token
        target = system.target("job_service")
        on_grpc = grpc_pairs(reference.grpc, target, token, options)
        on_rest = interleave(
            rest_rate(reference.rest, token, options),
            rest_rate(system.target("gateway"), token, options),
            options.pairs,
        )
        batch_rate = grpc_rate(target, token, options, messages.BATCH_SUBMIT)
        return on_grpc, on_rest, [batch_rate() for _ in range(options.pairs)]


def measure_postgres(reference: Echoes, options: Options) -> Pairs:
    """Returns the gRPC pairs on PostgreSQL, every commit synchronous."""
    with running("postgres", auto_approve=False) as system:
        token = register(system.url, "bench").token
        grpc_rate(system.target("job_service"), token, options)()  # fills tables, measures nothing
        analyze(system)
        return grpc_pairs(reference.grpc, system.target("job_service"), token, options)


def grpc_pairs(reference: str, subject: str, token: str, options: Options) -> Pairs:
    """Measures SubmitJob at both addresses."""
    return interleave(
        grpc_rate(reference, token, options),
        grpc_rate(subject, token, options),
        options.pairs,
    )


def grpc_rate(
    address: str, token: str, options: Options, method: str = messages.SUBMIT
) -> Callable[[], float]:
    """Returns what measures calls per second of a method, with the load it is meant to bear."""
    is_batch = method == messages.BATCH_SUBMIT
    load = GrpcLoad(
        address=address,
        method=method,
        token=token,
        request=messages.batch_request() if is_batch else messages.submit_request(),
        in_flight=BATCHES_IN_FLIGHT if is_batch else 64,
        measured=options.seconds,
    )
    return lambda: run(load).rate


def rest_rate(address: str, token: str, options: Options) -> Callable[[], float]:
    """Returns what measures POST /api/v1/jobs per second."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": PLACEHOLDER}
    request = http1.post(address, "/api/v1/jobs", headers, messages.submit_json())
    load = RestLoad(address=address, request=request, measured=options.seconds)
    return lambda: run(load).rate


def row(name: str, pairs: Pairs) -> list[str]:
    """Returns a line of the table."""
    return [
        name,
        f"{statistics.median(pairs.references):,.0f}",
        f"{statistics.median(pairs.subjects):,.0f}",
        spread(pairs.subjects),
        f"{pairs.ratio:.2f}",
        spread(pairs.ratios),
    ]


if __name__ == "__main__":
    main()
