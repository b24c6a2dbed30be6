"""Runs the gateway: `python -m gateway`."""

import asyncio
import sys

import uvloop

from gateway.bootstrap import serve
from gateway.config import Settings
from servicekit.config import ConfigurationError, exit_with, load_or_exit


def main() -> int:
    """Serves until SIGTERM or SIGINT; exit code 2 for settings that cannot work."""
    settings = load_or_exit(Settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except ConfigurationError as error:
        exit_with(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
