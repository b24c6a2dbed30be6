"""A service as a process: `python -m <package>` serves, `python -m <package> migrate` migrates.

A service may bring further verbs.
"""

import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, TypeVar

from servicekit import failpoints, logs, migrations
from servicekit.config import ConfigurationError, ServiceSettings, exit_with, load_or_exit
from servicekit.metrics import serve_metrics
from servicekit.server import Server, run

YOUNG_OBJECTS = 50_000


class RunningService(Protocol):
    """What a service's bootstrap gives while it runs."""

    @property
    def port(self) -> int:
        """Where it serves gRPC; the settings may have asked for any free port."""
        ...

    @property
    def server(self) -> Server:
        """Its server, already started."""
        ...


S = TypeVar("S", bound=ServiceSettings)
R = TypeVar("R", bound=RunningService)

Verb: TypeAlias = Callable[[S, list[str]], None]
"""Does one thing with the settings and the arguments after its name; raises ConfigurationError."""


def main(
    package: str,
    settings_type: type[S],
    running: Callable[[S], AbstractAsyncContextManager[R]],
    arguments: list[str],
    verbs: Mapping[str, Verb[S]] | None = None,
) -> None:
    """Does what the arguments say, with settings from the environment."""
    settings = load_or_exit(settings_type)
    logs.configure(package, settings.log_level)
    failpoints.configure(settings.failpoints)
    try:
        match arguments:
            case []:
                run(lambda: _serve(package, settings, running))
            case ["migrate"]:
                migrations.upgrade(package, settings.database_url)
            case [verb, *rest] if verbs and verb in verbs:
                verbs[verb](settings, rest)
            case _:
                usage = " | ".join(("migrate", *(verbs or ())))
                raise ConfigurationError(f"usage: python -m {package} [{usage}]")
    except ConfigurationError as error:
        exit_with(error)


def spare_the_collector() -> None:
    """Keeps the garbage collector from the start's objects, and from looking at every burst.

    What a request makes is freed by its reference counts; the collector only has to find cycles,
    which are few. Looking at everything after each 700 new objects cost a tenth of a busy service.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _serve(
    package: str, settings: S, running: Callable[[S], AbstractAsyncContextManager[R]]
) -> None:
    """Serves until the process is asked to stop."""
    serve_metrics(settings.metrics_listen)
    async with running(settings) as service:
        spare_the_collector()
        logs.logger(package).info("serving", port=service.port)
        await service.server.serve_until_signalled()
