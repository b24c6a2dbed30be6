"""Starts the echo servers and stops them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.ports import LOOPBACK, free_port
from local.processes import end, last_lines, spawn
from servicekit.probe import grpc_is_serving, http_is_ready

READY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Echoes:
    """Addresses of the two echo servers; the REST one calls the gRPC one."""

    grpc: str
    rest: str


@contextlib.contextmanager
def echoes(folder: Path) -> Iterator[Echoes]:
    """Runs both echo servers, each in a process of its own, with their logs in `folder`."""
    addresses = Echoes(f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{free_port()}")
    with (
        _server(folder, "bench.echo.grpc_server", addresses.grpc),
        _server(folder, "bench.echo.rest_server", addresses.rest, addresses.grpc),
    ):
        _await_ready(folder, grpc_is_serving, addresses.grpc)
        _await_ready(folder, http_is_ready, addresses.rest)
        yield addresses


@contextlib.contextmanager
def _server(folder: Path, module: str, *arguments: str) -> Iterator[None]:
    process = spawn([sys.executable, "-m", module, *arguments], log=folder / "echo.log")
    try:
        yield
    finally:
        end(process)


def _await_ready(folder: Path, is_ready: Callable[[str], bool], address: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready(address):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the echo did not start:\n{last_lines(folder / 'echo.log')}")
        time.sleep(0.05)
