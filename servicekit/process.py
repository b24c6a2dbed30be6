"""A service as a process: `python -m <package>` serves, `python -m <package> migrate` migrates."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from servicekit import failpoints, logs, migrations
from servicekit.config import ConfigurationError, ServiceSettings, exit_with, load_or_exit
from servicekit.metrics import serve_metrics
from servicekit.server import Server, run


class RunningService(Protocol):
    """What a service's bootstrap gives while it runs."""

    @property
    def server(self) -> Server:
        """Its server, already started."""
        ...


S = TypeVar("S", bound=ServiceSettings)
R = TypeVar("R", bound=RunningService)


def main(
    package: str,
    settings_type: type[S],
    running: Callable[[S], AbstractAsyncContextManager[R]],
    arguments: list[str],
) -> None:
    """Does what the arguments say, with settings from the environment."""
    settings = load_or_exit(settings_type)
    logs.configure(package, settings.log_level)
    failpoints.configure(settings.failpoints)
    match arguments:
        case []:
            run(lambda: _serve(settings, running))
        case ["migrate"]:
            migrations.upgrade(package, settings.database_url)
        case _:
            exit_with(ConfigurationError(f"usage: python -m {package} [migrate]"))


async def _serve(settings: S, running: Callable[[S], AbstractAsyncContextManager[R]]) -> None:
    serve_metrics(settings.metrics_listen)
    async with running(settings) as service:
        await service.server.serve_until_signalled()
