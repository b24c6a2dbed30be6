"""A whole system that several tests look at, each with users of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO

import pytest

from local.__main__ import start
from local.administrator import settle_admin
from local.layout import ANY_PORTS, Name
from local.summary import Terminal
from local.supervisor import System

QUICK: Mapping[Name, Mapping[str, str]] = {
    # Many of these tests log in, and none of them measures how slow a hash is.
    "auth_service": {"GPUAAS_AUTH_BCRYPT_COST": "6"},
    # As if this machine were a proxy before the gateway.
    "gateway": {"GPUAAS_GATEWAY_TRUSTED_PROXIES": "127.0.0.1"},
    "scheduler_service": {"GPUAAS_SCHEDULER_SIMULATION_SPEED": "3600"},
}


@dataclass(frozen=True, slots=True)
class Started:
    """A running system, and what `make run` would have printed while it started."""

    system: System
    printed: str


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The system as `make run` starts it, but on free ports and with quicker simulated runs."""
    data = tmp_path_factory.mktemp("system") / "var"
    printed = StringIO()
    terminal = Terminal(printed)
    system = System(data, listen=ANY_PORTS, extra=QUICK, announce=terminal.step)
    try:
        start(system, data, terminal)
        settle_admin(system)
        yield Started(system, printed.getvalue())
    finally:
        system.stop()
