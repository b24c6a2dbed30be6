"""`make run`: the whole system in this terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from local.certificates import make_certificates
from local.layout import NAMES
from local.processes import ROOT
from local.summary import Terminal, summary
from local.supervisor import StartFailed, System


def main(arguments: list[str] | None = None) -> int:
    """Starts everything, prints where it is, waits; returns the exit code."""
    options = parse(arguments)
    terminal = Terminal(sys.stdout)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    verbose = sys.stderr if options.verbose else None
    certificates = None
    if options.tls:
        certificates = make_certificates(options.data / "certificates", NAMES)
    system = System(
        options.data, certificates=certificates, announce=terminal.step, verbose=verbose
    )
    try:
        start(system, options.data, terminal)
        return watch(system)
    except StartFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        stop(system, terminal)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / "var",
        help="folder of databases, logs and secrets (default: var)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="show the processes' logs here, besides writing them to their files",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="speak TLS everywhere, with certificates made in the data folder",
    )
    return parser.parse_args(arguments)


def start(system: System, data: Path, terminal: Terminal) -> None:
    """Starts everything and prints where it is."""
    started = time.monotonic()
    terminal.line(f"Starting on {shown(data)}")
    system.start()
    terminal.line(f"Ready in {time.monotonic() - started:.1f} s.")
    terminal.line(summary(system, terminal))


def interrupt(number: int, frame: FrameType | None) -> None:
    """Turns the first SIGINT or SIGTERM into KeyboardInterrupt and ignores what follows.

    An impatient second Ctrl-C must not cut the stopping short and leave processes behind.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def watch(system: System) -> int:
    """Waits until a process ends by itself, which nothing should; Ctrl-C ends the waiting."""
    while True:
        ended = system.ended()
        if ended is not None:
            print(f"\n{system.obituary(ended)}", file=sys.stderr)
            return 1
        time.sleep(0.2)


def stop(system: System, terminal: Terminal) -> None:
    """Stops what runs and says so; a failed start has left nothing to stop."""
    if system.is_up:
        started = time.monotonic()
        system.stop()
        terminal.line(f"\nStopped in {time.monotonic() - started:.1f} s. Data stay as they are.")


def shown(path: Path) -> Path:
    """Returns the path as people write it: relative where it lies below the current folder."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
