"""`python -m auth_service` serves; `... migrate` brings the database up to date."""

import sys

from auth_service.bootstrap import running
from auth_service.config import Settings
from servicekit import failpoints, logs, migrations
from servicekit.config import ConfigurationError, exit_with, load_or_exit
from servicekit.metrics import serve_metrics
from servicekit.server import run

PACKAGE = "auth_service"


def main(arguments: list[str]) -> None:
    """Does what the arguments say, with settings from the environment."""
    settings = load_or_exit(Settings)
    logs.configure(PACKAGE, settings.log_level)
    failpoints.configure(settings.failpoints)
    try:
        match arguments:
            case []:
                run(lambda: serve(settings))
            case ["migrate"]:
                migrations.upgrade(PACKAGE, settings.database_url)
            case _:
                raise ConfigurationError(f"usage: python -m {PACKAGE} [migrate]")
    except ConfigurationError as error:
        exit_with(error)


async def serve(settings: Settings) -> None:
    """Serves until the process is asked to stop."""
    serve_metrics(settings.metrics_listen)
    async with running(settings) as service:
        logs.logger(PACKAGE).info("serving", port=service.port)
        await service.server.serve_until_signalled()


if __name__ == "__main__":
    main(sys.argv[1:])
