"""The echo service as a process of its own, for tests that stop, freeze or signal it.

Usage: python -m tests.service.servicekit.serve_echo HOST:PORT; prints the port once it serves.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from servicekit import logs
from servicekit.interceptors import Edge, access_table
from servicekit.server import Server, run
from tests.service.servicekit.echo import ACCESS, SERVICE, EchoResponse, EchoServicer, register

begun = asyncio.Event()


async def slow(request: Any, context: Any) -> Any:
    """Answers after as many milliseconds as the count says."""
    begun.set()
    await asyncio.sleep(request.count / 1000)
    return EchoResponse(text=request.text)


async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers once, again when a slow call has begun, then never again."""
    yield EchoResponse(count=1)
    await begun.wait()
    yield EchoResponse(count=2)
    await asyncio.Event().wait()


async def main() -> None:
    """Serves until signalled; all methods are public."""
    logs.configure("echo")
    access = {method: frozenset({"public"}) for method in access_table([SERVICE], ACCESS)}
    server = Server(Edge(access, None))
    server.add(SERVICE, register, EchoServicer(Greet=slow, Watch=watch))
    port = server.listen(sys.argv[1])
    await server.start()
    print(port, flush=True)
    await server.serve_until_signalled()


if __name__ == "__main__":
    run(main)
