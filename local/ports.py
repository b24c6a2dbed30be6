"""Free TCP ports, and a clear word about taken ones."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
_CANDIDATES = range(20_000, 32_000)
_handed_out: set[int] = set()


def free_port(host: str = LOOPBACK) -> int:
    """Returns a port that nothing listens on and that this process has not handed out before.

    It lies below the range from which the system takes ports for outgoing connections: while a
    killed server is down, a reconnecting client could otherwise be given the server's own port.
    """
    choices = random.SystemRandom()
    for _ in range(1_000):
        port = choices.choice(_CANDIDATES)
        if port not in _handed_out and is_free(host, port):
            _handed_out.add(port)
            return port
    raise OSError(f"no free port between {_CANDIDATES.start} and {_CANDIDATES.stop} on {host}")


def is_free(host: str, port: int) -> bool:
    """Tells whether a server could listen on this address now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do; without it the ghosts of closed connections would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def split_address(address: str) -> tuple[str, int]:
    """Splits "127.0.0.1:8000" or "[::1]:8000" into host and port.

    Raises:
        ValueError: it is not host:port.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """Joins what `split_address` splits."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
