"""Simulates a trace under one policy or several: progress, a table, JSON and a picture."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

try:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )
except ModuleNotFoundError:
    sys.exit("The simulator needs rich, which the services' image leaves out: pip install rich")

from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling.events import NodeSpec
from scheduler_service.domain.scheduling.policy import DurationSource, Policy
from scheduler_service.simulate import inventory, policies, report
from scheduler_service.simulate.errors import BadInput
from scheduler_service.simulate.generate import generated
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import Figures, measure
from scheduler_service.simulate.outcome import Outcome
from scheduler_service.simulate.trace import formats, own
from scheduler_service.simulate.trace.trace import Durations, Trace

WIDTH_WITHOUT_TERMINAL = 110
DEFAULT_JOBS = 5_000
COMPARED = ("fifo", "easy", "predicted", "las-levels")
MOST_JOBS = 10_000_000
"""Generated jobs at most: they are all in memory."""

EPILOG = f"""
the simulator's own trace format:

{own.__doc__}
policies by name:

{policies.NAMES}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulates and reports; returns 2 where the input is bad."""
    options = parse(arguments)
    try:
        nodes = inventory_of(options)
        trace = trace_of(options, nodes)
        chosen = {name: seeded(policies.find(name), options.seed) for name in options.policy}
        runs = simulated(trace, nodes, chosen, options)
        title = f"{trace.source} on {len(nodes):,} nodes, {devices(nodes):,} devices"
        show(title, runs, options)
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scheduler_service.simulate",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trace", type=Path, help="CSV of jobs (default: a generated trace)")
    parser.add_argument(
        "--format", type=formats.Format, choices=list(formats.Format), help="(default: by header)"
    )
    parser.add_argument("--team", help="only the jobs of this team or virtual cluster")
    parser.add_argument(
        "--jobs", type=positive, help=f"the first so many (generated: {DEFAULT_JOBS:,})"
    )
    parser.add_argument(
        "--nodes",
        action="append",
        metavar="NODESxDEVICES[:MODEL][@POOL]",
        help="the inventory; may be repeated (default: 8x8)",
    )
    parser.add_argument("--inventory", type=Path, help="CSV of nodes, instead of --nodes")
    parser.add_argument(
        "--policy",
        action="append",
        help=f"{', '.join(policies.POLICIES)}, or a .toml or .json file; may be repeated "
        f"(default: {', '.join(COMPARED)})",
    )
    parser.add_argument(
        "--durations",
        type=Durations,
        choices=list(Durations),
        default=Durations.KNOWN,
        help="what the engine is told of durations: the true one, the trace's estimate, or "
        "nothing; nothing in any case where the policy predicts them (default: known)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and no table")
    parser.add_argument("--picture", type=Path, metavar="FILE", help=".svg or .png to write")
    options = parser.parse_args(arguments)
    options.policy = options.policy or list(COMPARED)
    if options.picture and options.picture.suffix not in (".svg", ".png"):
        parser.error("--picture: expected a file that ends in .svg or .png")
    if options.picture and find_spec("matplotlib") is None:
        parser.error("--picture needs matplotlib: pip install matplotlib")
    return options


def positive(text: str) -> int:
    """Takes a number of jobs."""
    count = int(text)
    if not 0 < count <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_JOBS:,}")
    return count


def inventory_of(options: argparse.Namespace) -> list[NodeSpec]:
    """The nodes that the command line names."""
    if options.inventory and options.nodes:
        raise BadInput("--inventory and --nodes: expected only one of them")
    if options.inventory:
        return inventory.read(options.inventory)
    specifications = options.nodes or ["8x8"]
    return inventory.together(node for each in specifications for node in inventory.parse(each))


def trace_of(options: argparse.Namespace, nodes: Sequence[NodeSpec]) -> Trace:
    """The trace that the command line names, or a generated one."""
    largest = max(node.devices for node in nodes)
    if options.trace is None:
        jobs = options.jobs or DEFAULT_JOBS
        return generated(jobs, options.seed, max(devices(nodes), 1), node_gpus=largest)
    trace = formats.read(options.trace, options.format, largest)
    if options.team:
        trace = trace.of_team(options.team)
        if not len(trace):
            raise BadInput(f"{options.trace}: no jobs of the team {options.team!r}")
    return trace.first(options.jobs) if options.jobs else trace


def seeded(policy: Policy, seed: int) -> Policy:
    """The policy with the command line's seed, unless it has its own."""
    return policy if policy.seed else replace(policy, seed=seed)


def devices(nodes: Sequence[NodeSpec]) -> int:
    """Devices of an inventory."""
    return sum(node.devices for node in nodes)


def simulated(
    trace: Trace,
    nodes: Sequence[NodeSpec],
    chosen: dict[str, Policy],
    options: argparse.Namespace,
) -> dict[str, tuple[Outcome, Figures]]:
    """Runs the trace under each policy, with bars that show how far it is."""
    runs = {}
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        for name, policy in chosen.items():
            task = progress.add_task(name, total=len(trace))
            predicts = policy.durations is DurationSource.PREDICTION
            outcome = simulate(
                trace,
                nodes,
                policy,
                predictor=History() if predicts else None,
                durations=Durations.UNKNOWN if predicts else options.durations,
                on_progress=partial(_show_progress, progress, task),
            )
            runs[name] = outcome, measure(trace, outcome)
    return runs


def _show_progress(progress: Progress, task: TaskID, ended: int) -> None:
    progress.update(task, completed=ended)


def show(title: str, runs: dict[str, tuple[Outcome, Figures]], options: argparse.Namespace) -> None:
    """Prints the figures and writes the picture."""
    figures = {name: run[1] for name, run in runs.items()}
    if options.picture:
        # Loading it takes longer than a small simulation.
        from scheduler_service.simulate import picture

        picture.draw(options.picture, title, runs)
    if options.json:
        print(report.as_json(figures))
        return
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(width=width, highlight=False)
    console.print(report.table(title, figures))
    if options.picture:
        console.print(f"The picture is in {options.picture}")


if __name__ == "__main__":
    sys.exit(main())
