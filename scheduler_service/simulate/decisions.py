"""Asks a decision log: whether it can be replayed, why something waited, and what if.

A log is a file that the service writes where GPUAAS_SCHEDULER_DECISION_LOG names a directory.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling.explain import explain
from scheduler_service.domain.scheduling.record import BrokenChain, as_of, replay
from scheduler_service.domain.scheduling.whatif import Change, what_if
from scheduler_service.simulate import inventory, policies
from scheduler_service.simulate.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers; returns 1 where a replay differs, 2 where the input is bad."""
    options = parse(arguments)
    try:
        with options.log.open(encoding="utf-8") as lines:
            if options.question == "replay":
                return show_replay(lines)
            if options.question == "explain":
                return show_explanation(lines, options.id, options.at)
            return show_changes(lines, options)
    except (BadInput, BrokenChain, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scheduler_service.simulate.decisions", description=__doc__
    )
    questions = parser.add_subparsers(dest="question", required=True)
    replaying = questions.add_parser("replay", help="take every step anew and compare")
    explaining = questions.add_parser("explain", help="why a workload waited at a time")
    asking = questions.add_parser("what-if", help="who would have waited more, and who less")
    for each in (replaying, explaining, asking):
        each.add_argument("log", type=Path, help="the decision log")
    explaining.add_argument("id", help="the workload")
    explaining.add_argument(
        "--at", type=moment, required=True, help="time, such as 2026-03-01T12:00Z"
    )
    asking.add_argument("--policy", help="name or file (default: as it was)")
    asking.add_argument("--nodes", action="append", metavar="NODESxDEVICES[:MODEL][@POOL]")
    return parser.parse_args(arguments)


def moment(text: str) -> int:
    """Takes a time in ISO 8601, UTC unless it says otherwise; returns microseconds since 1970."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MICROSECOND


def show_replay(lines: Iterable[str]) -> int:
    """Says whether every step decides the same again."""
    replayed = replay(lines, History())
    if replayed.difference is None:
        print(f"{replayed.steps:,} steps decide the same again, and the chain is whole.")
        return 0
    step, now, recorded, again = replayed.difference
    print(f"Step {step:,}, at {_time(now)}, is the first that differs.")
    print(f"recorded: {list(recorded)}\nreplayed: {list(again)}")
    return 1


def show_explanation(lines: Iterable[str], workload_id: str, at: int) -> int:
    """Says why a workload waited at a time."""
    found = explain(as_of(lines, at, History()), workload_id, at)
    if found is None:
        print(f"{workload_id} neither waited nor ran at {_time(at)}.")
        return 0
    print(f"{found.kind.upper()}  #{found.position} of {found.queue_length} in {found.pool}")
    print(found.message)
    if found.remedy:
        print(f"would start with: {found.remedy}")
    if found.blocking:
        print(f"waits for: {', '.join(found.blocking)}")
    if found.earliest is not None and found.latest is not None:
        print(f"should start: {_time(found.earliest)} to {_time(found.latest)}")
    return 0


def show_changes(lines: Iterable[str], options: argparse.Namespace) -> int:
    """Says who would have waited more, and who less."""
    policy = policies.find(options.policy) if options.policy else None
    nodes = None
    if options.nodes:
        nodes = inventory.together(node for it in options.nodes for node in inventory.parse(it))
    more, less, equal = what_if(lines, policy=policy, nodes=nodes, predictor=History())
    print(f"{len(less):,} would have waited less, {len(more):,} more, {equal:,} as long.")
    for title, changes in (("less", less), ("more", more)):
        for change in changes[:SHOWN]:
            print(f"{title}: {change.id}  {_wait(change)}")
    return 0


def _wait(change: Change) -> str:
    before, after = (
        "never started" if wait is None else f"{wait / 1_000_000:,.1f} s"
        for wait in (change.before, change.after)
    )
    return f"{before} -> {after}"


def _time(micros: int) -> str:
    return f"{_EPOCH + micros * _MICROSECOND:%Y-%m-%d %H:%M:%S} UTC"


if __name__ == "__main__":
    sys.exit(main())
