"""`python -m scheduler_service` serves; with `migrate` it brings the database up to date."""

import sys

from scheduler_service.bootstrap import running
from scheduler_service.config import Settings
from servicekit import failpoints, logs, migrations
from servicekit.config import ConfigurationError, exit_with, load_or_exit
from servicekit.metrics import serve_metrics
from servicekit.server import run

PACKAGE = "scheduler_service"


def main(arguments: list[str]) -> None:
    """Does what the arguments say, with settings from the environment."""
    settings = load_or_exit(Settings)
    logs.configure(PACKAGE, settings.log_level)
    failpoints.configure(settings.failpoints)
    match arguments:
        case []:
            run(lambda: serve(settings))
        case ["migrate"]:
            migrations.upgrade(PACKAGE, settings.database_url)
        case _:
            exit_with(ConfigurationError(f"usage: python -m {PACKAGE} [migrate]"))


async def serve(settings: Settings) -> None:
    """Serves until the process is asked to stop."""
    serve_metrics(settings.metrics_listen)
    async with running(settings) as service:
        await service.server.serve_until_signalled()


if __name__ == "__main__":
    main(sys.argv[1:])
